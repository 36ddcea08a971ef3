//go:build cuda

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

/* Written once, under once, before anybody reads them. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;
static CUresult status = CUDA_ERROR_NOT_INITIALIZED;
static char reason[512];

static void load(void) {
	const char *name = getenv("TEFF_LIBCUDA");
	if (!name || !*name)
		name = "libcuda.so.1";
	library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		const char *why = dlerror();
		snprintf(reason, sizeof reason, "%s", why ? why : name);
		return;
	}
	CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))dlsym(library, "cuInit");
	status = init ? init(0) : CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND;
}

/* The binding calls cuInit while the program starts and ends the program when
 * it fails. A machine without a device is none of its users' faults: the answer
 * here is always success, and Init tells the truth to who asks. */
CUresult cuInit(unsigned int flags) {
	(void)flags;
	pthread_once(&once, load);
	return CUDA_SUCCESS;
}

void *teff_cuda_symbol(void **at, const char *name) {
	void *f = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (f)
		return f;
	pthread_once(&once, load);
	if (!library)
		return NULL;
	f = dlsym(library, name);
	__atomic_store_n(at, f, __ATOMIC_RELAXED);
	return f;
}

CUresult teff_cuda_missing(void) {
	return library ? CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult teff_cuda_status(void) {
	pthread_once(&once, load);
	return status;
}

const char *teff_cuda_reason(void) {
	pthread_once(&once, load);
	return library ? NULL : reason;
}
