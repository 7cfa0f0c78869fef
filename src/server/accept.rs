//! Which encoding a client wants its arrays in: the `Accept` header as Tesseract reads it.

use serde_json::json;

use super::Options;

/// What this server can write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formats {
    /// Whether there is a folder for arrays in files.
    pub(super) binref: bool,
}

/// How arrays are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Base64,
    Binref,
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) form: Form,
    pub(super) lz4: bool,
}

impl Form {
    const ALL: [Form; 3] = [Form::Json, Form::Base64, Form::Binref];

    pub(super) fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Base64 => "json+base64",
            Form::Binref => "json+binref",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Base64 => "application/json+base64",
            Form::Binref => "application/json+binref",
        }
    }
}

impl Formats {
    pub(super) fn of(options: &Options) -> Formats {
        Formats { binref: options.binref.is_some() }
    }

    pub(super) fn forms(self) -> impl Iterator<Item = Form> {
        Form::ALL.into_iter().filter(move |form| *form != Form::Binref || self.binref)
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        self.forms().map(Form::name)
    }

    /// The heaviest range of the header of which all is available; the body of a 406 otherwise.
    pub(super) fn agree(self, header: Option<&str>) -> Result<Agreed, serde_json::Value> {
        let header = header.unwrap_or_default().to_ascii_lowercase();
        if header.trim().is_empty() {
            return Ok(Agreed { form: Form::Json, lz4: false });
        }
        let mut ranges: Vec<(f32, &str)> =
            header.split(',').map(|range| (weight(range), range)).filter(|(weight, _)| *weight > 0.0).collect();
        ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranges.into_iter().find_map(|(_, range)| self.read(range)).ok_or_else(|| {
            json!({"detail": {
                "message": format!("None of the requested formats is available: {header}"),
                "available_formats": self.names().collect::<Vec<_>>(),
                "available_gpu_transports": ["none"],
                "available_compressions": ["none", "lz4"],
            }})
        })
    }

    fn read(self, range: &str) -> Option<Agreed> {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next()?;
        let name = media.rsplit_once('/').map_or(media, |(_, name)| name);
        let form = match name {
            "*" => Form::Json,
            name => Form::ALL.into_iter().find(|form| form.name() == name)?,
        };
        if form == Form::Binref && !self.binref {
            return None;
        }
        let mut agreed = Agreed { form, lz4: false };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match (key.trim(), value.trim().trim_matches('"')) {
                ("compression", "lz4") => agreed.lz4 = true,
                ("compression" | "gpu_transport", "none") => {}
                ("compression" | "gpu_transport", _) => return None,
                _ => {}
            }
        }
        Some(agreed)
    }
}

fn weight(range: &str) -> f32 {
    let q = range.split(';').skip(1).find_map(|part| part.trim().strip_prefix("q="));
    // What cannot be read is not wanted.
    q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_range_that_can_be_had_wins() {
        let formats = Formats { binref: false };
        let agreed = |header: &str| formats.agree(Some(header)).map(|agreed| (agreed.form, agreed.lz4)).ok();
        assert_eq!(formats.agree(None).unwrap().form, Form::Json);
        assert_eq!(agreed(""), Some((Form::Json, false)));
        assert_eq!(agreed("*/*"), Some((Form::Json, false)));
        assert_eq!(agreed("application/*; gpu_transport=none"), Some((Form::Json, false)));
        assert_eq!(agreed("garbage/json"), Some((Form::Json, false)));
        assert_eq!(agreed("text/html, application/json; q=0"), None);
        assert_eq!(agreed("APPLICATION/JSON+BASE64"), Some((Form::Base64, false)));
        assert_eq!(agreed("application/json+base64; q=often, application/json"), Some((Form::Json, false)));
        assert_eq!(agreed("application/json+base64; gpu_transport=none; compression=lz4"), Some((Form::Base64, true)));
        assert_eq!(agreed("application/json;q=0.5, application/json+base64"), Some((Form::Base64, false)));
        assert_eq!(agreed("application/json+binref, application/json;q=0.1"), Some((Form::Json, false)));
        assert_eq!(agreed("application/json+binref"), None);
        assert_eq!(agreed("text/html"), None);
        assert_eq!(agreed("application/json; compression=zip"), None);
        assert_eq!(agreed("application/json+base64; gpu_transport=cuda_ipc, */*;q=0.1"), Some((Form::Json, false)));
        let binref = Formats { binref: true }.agree(Some("application/json+binref")).unwrap();
        assert_eq!(binref.form, Form::Binref);
    }
}
