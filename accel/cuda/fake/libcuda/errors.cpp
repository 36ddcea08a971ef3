// The names of errors.
#include "fake.h"

static const struct {
	Result code;
	const char *name, *text;
} errors[] = {
    {OK, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no device"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device number"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "no valid context in this thread"},
    {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "invalid PTX"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "name not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "illegal memory access"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "a kernel failed"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not allowed while a stream captures"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "an earlier call broke the capture"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "no capture began on this stream"},
    {CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "the capture began on another thread"},
};

static Result lookup(Result code, const char **to, bool name) {
	if (!to) return INVALID_VALUE;
	*to = nullptr;
	for (const auto &e : errors)
		if (e.code == code) *to = name ? e.name : e.text;
	return *to ? OK : INVALID_VALUE;
}

API cuGetErrorName(Result code, const char **to) { return lookup(code, to, true); }
API cuGetErrorString(Result code, const char **to) { return lookup(code, to, false); }
