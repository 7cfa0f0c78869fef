// placeholder until secant::plugin exists
