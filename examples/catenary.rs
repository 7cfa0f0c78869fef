//! A cable hung between two supports of the same height: a plugin in Rust.
//!
//! ```sh
//! cargo build --release --example catenary
//! secant jacobian target/release/examples/libcatenary.so \
//!     '{"inputs": {"stations": [2, 5, 8], "span": 10, "length": 12, "weight": 9.81}}'
//! ```
//!
//! Its shape is y = a cosh((x - span/2) / a), where u = span / 2a solves sinh(u) / u = length / span. The
//! derivative of that root follows from the equation, not from the iteration that finds it.

use secant::plugin::{
    AbstractEval, Description, Fault, Host, Inputs, Jvp, Outputs, Plugin, Products, Shapes, Vectors, export_plugin,
};
use secant::{DType, json};

struct Catenary {
    /// When the iteration is content: a relative change of u.
    tolerance: f64,
}

/// The inputs, or a tangent of them.
struct Cable<'i> {
    stations: &'i [f64],
    span: f64,
    length: f64,
    weight: f64,
}

impl Plugin for Catenary {
    fn describe() -> Description {
        let number =
            |text: &str| json!({"description": text, "type": "number", "exclusiveMinimum": 0, "differentiable": true});
        // The shape is left open, so that secant asks `abstract_eval`.
        let vector =
            |text: &str| json!({"description": text, "type": "array", "shape": [null], "differentiable": true});
        Description {
            name: "catenary".to_owned(),
            version: "1.0.0".to_owned(),
            description: "A cable hung between two supports".to_owned(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "stations": vector("Where the heights are wanted: distances from the left support, m"),
                    "span": number("Between the supports, m"),
                    "length": number("Of the cable, m"),
                    "weight": number("Of a metre of cable, N/m"),
                    "above": {"description": "What heights are measured from", "type": "string", "default": "supports"},
                },
                "required": ["stations", "span", "length", "weight"],
                "additionalProperties": false,
            }),
            output_schema: json!({
                "type": "object",
                "properties": {
                    "heights": vector("Of the cable at the stations, m"),
                    "tension": number("Where the cable is fixed, N"),
                },
                "required": ["heights", "tension"],
            }),
        }
    }

    fn create(host: &Host<'_>) -> Result<Self, Fault> {
        Ok(Catenary { tolerance: host.config()["tolerance"].as_f64().unwrap_or(1e-15) })
    }

    fn apply(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) -> Result<(), Fault> {
        let cable = Cable::read(inputs)?;
        let u = self.solve(&cable)?;
        let a = cable.span / (2.0 * u);
        let top = cosh_at_origin(inputs, u)?;
        let heights = outputs.slice_mut::<f64>("heights", &[cable.stations.len()])?;
        for (height, x) in heights.iter_mut().zip(cable.stations) {
            *height = a * (((x - cable.span / 2.0) / a).cosh() - top);
        }
        outputs.scalar("tension", cable.weight * a * u.cosh())
    }
}

impl Jvp for Catenary {
    fn jvp(&mut self, inputs: &Inputs<'_>, tangents: &Vectors<'_>, products: &mut Products<'_>) -> Result<(), Fault> {
        let cable = Cable::read(inputs)?;
        let still = vec![0.0; cable.stations.len()];
        let scalar = |path| tangents.slice::<f64>(path).map(|tangent| tangent.map_or(0.0, |tangent| tangent[0]));
        let d = Cable {
            stations: tangents.slice("stations")?.unwrap_or(&still),
            span: scalar("span")?,
            length: scalar("length")?,
            weight: scalar("weight")?,
        };

        let u = self.solve(&cable)?;
        let a = cable.span / (2.0 * u);
        // 2 a sinh(u) = length, differentiated.
        let da = (d.span * u.cosh() - d.length) / (2.0 * (u * u.cosh() - u.sinh()));
        let du = d.span / (2.0 * a) - u * da / a;

        let top = cosh_at_origin(inputs, u)?;
        let dtop = if top == 1.0 { 0.0 } else { u.sinh() * du };
        if let Some(dheights) = products.slice_mut::<f64>("heights", &[cable.stations.len()])? {
            for ((dheight, x), dx) in dheights.iter_mut().zip(cable.stations).zip(d.stations) {
                let v = (x - cable.span / 2.0) / a;
                let dv = (dx - d.span / 2.0 - v * da) / a;
                *dheight = da * (v.cosh() - top) + a * (v.sinh() * dv - dtop);
            }
        }
        if let Some(dtension) = products.slice_mut::<f64>("tension", &[])? {
            dtension[0] = d.weight * a * u.cosh() + cable.weight * (da * u.cosh() + a * u.sinh() * du);
        }
        Ok(())
    }
}

impl AbstractEval for Catenary {
    fn abstract_eval(&mut self, inputs: &Inputs<'_>, shapes: &mut Shapes<'_>) -> Result<(), Fault> {
        shapes.declare("heights", DType::Float64, inputs.shape("stations")?)?;
        shapes.declare("tension", DType::Float64, &[])
    }
}

export_plugin!(Catenary);

impl<'i> Cable<'i> {
    fn read(inputs: &Inputs<'i>) -> Result<Cable<'i>, Fault> {
        // By index, in the order of the schema: no looking up.
        Ok(Cable {
            stations: inputs.slice(0)?,
            span: inputs.scalar(1)?,
            length: inputs.scalar(2)?,
            weight: inputs.scalar(3)?,
        })
    }
}

impl Catenary {
    /// Newton's method for sinh(u) = u length / span, from above, where it cannot overshoot.
    fn solve(&self, cable: &Cable<'_>) -> Result<f64, Fault> {
        let ratio = cable.length / cable.span;
        if ratio <= 1.0 || ratio.is_nan() {
            return Err(Fault::refused(format!("a cable of {} m does not span {} m", cable.length, cable.span)));
        }
        let mut u = (6.0 * (ratio - 1.0)).sqrt();
        for _ in 0..1000 {
            let step = (u.sinh() - ratio * u) / (u.cosh() - ratio);
            u -= step;
            if step.abs() <= self.tolerance * u {
                return Ok(u);
            }
        }
        Err(Fault::failed(format!("no catenary was found for length / span = {ratio}")))
    }
}

/// The height that is called zero, as cosh of its place.
fn cosh_at_origin(inputs: &Inputs<'_>, u: f64) -> Result<f64, Fault> {
    Ok(match inputs.value("above")? {
        "supports" => u.cosh(),
        "lowest point" => 1.0,
        // It had better be Fault::refused. But a panic harms nobody: the host is told, and replaces the instance.
        elsewhere => panic!("no heights above the {elsewhere}"),
    })
}
