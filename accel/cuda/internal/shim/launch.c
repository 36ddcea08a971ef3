//go:build cuda

#include "shim.h"

/* The list of addresses that the library wants is C's alone, on C's stack. */
CUresult teff_cuda_launch(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
		unsigned int bz, unsigned int shared, CUstream s, const unsigned long long *params, int n) {
	void *at[TEFF_CUDA_PARAMS];
	if (n < 0 || n > TEFF_CUDA_PARAMS)
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < n; i++)
		at[i] = (void *)&params[i];
	return cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, s, at, 0);
}
