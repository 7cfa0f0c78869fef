/* gfortran's runtime calls this to trap floating-point exceptions, as a program built with -ffpe-trap asks. XFOIL divides
   by zero on its way and goes on; trapped, it dies. Loaded first, this keeps the processor's default: inf, and on. */
void _gfortran_set_fpe(int options) { (void)options; }
