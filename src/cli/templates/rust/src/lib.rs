//! Springs: replace `apply` with what your model does.

use secant::plugin::{Description, Fault, Host, Inputs, Outputs, Plugin, export_plugin};

struct Springs;

impl Plugin for Springs {
    fn describe() -> Description {
        Description::default() // the schemas are files
    }

    fn create(_host: &Host<'_>) -> Result<Self, Fault> {
        Ok(Springs)
    }

    fn apply(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) -> Result<(), Fault> {
        let (x, k): (&[f64], f64) = (inputs.slice("x")?, inputs.scalar("k")?);
        outputs.scalar("energy", 0.5 * k * x.iter().map(|x| x * x).sum::<f64>())?;
        let force = outputs.slice_mut::<f64>("force", &[x.len()])?;
        for (force, x) in force.iter_mut().zip(x) {
            *force = -k * x;
        }
        Ok(())
    }
}

export_plugin!(Springs);
