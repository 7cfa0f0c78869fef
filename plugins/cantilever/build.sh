# The Fortran program where there is a compiler for it, else its twin in C: sh build.sh TARGET
if command -v gfortran >/dev/null; then
    gfortran -std=legacy -O2 -o "$1" cantilever.f
else
    cc -O2 -o "$1" cantilever.c -lm
fi
