// The kernels as ordinary C++: shared memory is static.
#include "fiber.h"

#include <cstring>
#include <type_traits>
#include <utility>

#define TEFF_HOST
#include "../f32.cu"
#include "../train.cu"
#include "../int8.cu"
#include "../f16.cu"
#include "../bf16.cu"
#include "../tf32.cu"
#include "../i8mma.cu"

namespace emulate {

Index now;

namespace {

template <class T> T param(uint64_t bits) {
	static_assert(sizeof(T) == 8, "every parameter has 8 bytes");
	T v;
	memcpy(&v, &bits, 8);
	return v;
}

template <class... A, size_t... I> void unpack(void (*f)(A...), const uint64_t *p, std::index_sequence<I...>) {
	f(param<A>(p[I])...);
}

template <class... A> constexpr int count(void (*)(A...)) { return sizeof...(A); }

template <class... A> constexpr uint64_t pointers(void (*)(A...)) {
	uint64_t mask = 0;
	int i = 0;
	((mask |= uint64_t(std::is_pointer_v<A>) << i++), ...);
	return mask;
}

template <auto f, class... A> void apply(void (*)(A...), const uint64_t *p) {
	unpack(f, p, std::index_sequence_for<A...>());
}

template <auto f> void call(const uint64_t *p) { apply<f>(f, p); }

#define ENTRY(f, barriers) {#f, count(f), pointers(f), barriers, call<f>}
#define TYPED(type)                                                                                            \
	ENTRY(dwconv_##type, false), ENTRY(deconv_##type, false), ENTRY(pool_##type, false), ENTRY(gavg_##type, true), \
	    ENTRY(softmax_##type, true), ENTRY(norm_##type, true), ENTRY(reduce_##type, true), ENTRY(matmul_##type, true), \
	    ENTRY(unary_##type, false), ENTRY(binary_##type, false), ENTRY(affine_##type, false),                  \
	    ENTRY(copy_##type, false), ENTRY(fill_##type, false), ENTRY(join_##type, false), ENTRY(resize_##type, false)
#define CAST(type) ENTRY(narrow_##type, false), ENTRY(widen_##type, false)
#define TILES(type) ENTRY(conv_##type##_128, true), ENTRY(conv_##type##_64, true), ENTRY(cut_##type, true)
const Kernel kernels[] = {
    ENTRY(conv_f32, true), TYPED(f32),  TILES(f16),  TILES(bf16),  TILES(tf32),
    CAST(f16),             TYPED(f16), CAST(bf16), TYPED(bf16),
    ENTRY(conv_i8, false), ENTRY(pool_i8, false), ENTRY(reduce_i8, false), ENTRY(table_i8, false), ENTRY(lookup_i8, false),
    ENTRY(quantize_i8, false), ENTRY(binary_i8, false), ENTRY(softmax_i8, false), ENTRY(copy_i8, false), ENTRY(fill_i8, false),
    TILES(i8), ENTRY(conv_i8z_64, true), ENTRY(join_i8, false),
    ENTRY(convgrad_f32, true), ENTRY(bnstats_f32, true), ENTRY(bnapply_f32, false), ENTRY(bnsums_f32, true), ENTRY(bngrad_f32, false),
    ENTRY(clampgrad_f32, false), ENTRY(maxgrad_f32, false), ENTRY(lossgrad_f32, true), ENTRY(dropout_f32, false),
    ENTRY(gather_f32, false), ENTRY(squares_f32, true), ENTRY(verdict_f32, true), ENTRY(sgd_f32, false), ENTRY(adam_f32, false), ENTRY(adagrad_f32, false),
    ENTRY(normgrad_f32, true), ENTRY(normsums_f32, true), ENTRY(avggrad_f32, false), ENTRY(prelugrad_f32, false),
};

bool stray; // a barrier in a kernel that is said to have none

} // namespace

void barrier() {
	if (noBarriers) return;
	if (current)
		yield(AT_BARRIER);
	else
		stray = true;
}

const Kernel *find(const char *name) {
	for (const Kernel &k : kernels)
		if (!strcmp(k.name, name)) return &k;
	return nullptr;
}

const Kernel *list(int *n) {
	*n = sizeof kernels / sizeof *kernels;
	return kernels;
}

const char *launch(const Kernel *k, const unsigned grid[3], unsigned threads, const uint64_t *params) {
	stray = false;
	fault = nullptr;
	for (unsigned z = 0; z < grid[2]; z++)
		for (unsigned y = 0; y < grid[1]; y++)
			for (unsigned x = 0; x < grid[0]; x++) {
				now.block[0] = (int)x;
				now.block[1] = (int)y;
				now.block[2] = (int)z;
				if (k->barriers) {
					if (const char *wrong = block(k, params, threads)) return wrong;
					continue;
				}
				current = nullptr;
				for (unsigned t = 0; t < threads; t++) {
					now.thread = (int)t;
					k->run(params);
				}
			}
	return stray ? "a barrier in a kernel that is said to have none" : fault;
}

} // namespace emulate
