#ifndef TEFF_SHIM_H
#define TEFF_SHIM_H

#include "cuda.h"

/* teff_cuda_symbol is the library's function of that name, or NULL. It looks it
 * up once and keeps it in *at. */
void *teff_cuda_symbol(void **at, const char *name);

/* teff_cuda_missing is what a call answers whose function the library lacks:
 * not initialised when there is no library at all. */
CUresult teff_cuda_missing(void);

/* teff_cuda_status is what the library's own cuInit answered. */
CUresult teff_cuda_status(void);

/* teff_cuda_reason says why there is no library, or is NULL when there is one. */
const char *teff_cuda_reason(void);

/* teff_cuda_launch starts a kernel of n parameters of 8 bytes, TEFF_CUDA_PARAMS at most. */
#define TEFF_CUDA_PARAMS 64
CUresult teff_cuda_launch(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
		unsigned int bz, unsigned int shared, CUstream s, const unsigned long long *params, int n);

#endif
