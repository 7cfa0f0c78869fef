ptf ~
TWO LAYERS
~ rho1         ~~ h            ~
~ rho2         ~
