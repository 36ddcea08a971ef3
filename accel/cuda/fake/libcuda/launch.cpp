// Modules and launches.
#include "fake.h"

#include <cstring>

// entries are the kernels that the text names and the host has, with as many
// parameters of 8 bytes; anything else is no module of this project.
static bool entries(const char *ptx, std::set<std::string> &to) {
	const char *mark = ".entry ";
	if (!strstr(ptx, ".version ") || !strstr(ptx, ".target sm_") || !strstr(ptx, ".address_size 64")) return false;
	for (const char *p = ptx; (p = strstr(p, mark));) {
		p += strlen(mark);
		const char *open = strchr(p, '('), *close = open ? strchr(open, ')') : nullptr;
		if (!close) return false;
		std::string name(p, (size_t)(open - p)), params(open, (size_t)(close - open));
		const emulate::Kernel *k = emulate::find(name.c_str());
		int n = 0;
		for (size_t i = 0; (i = params.find(".param .", i)) != std::string::npos; n++) {
			i += 8;
			if (params.compare(i, 4, "u64 ") && params.compare(i, 4, "f64 ")) return false;
		}
		if (!k || k->params != n) {
			complain("module: kernel " + name + " is not the host's");
			return false;
		}
		to.insert(name);
	}
	return !to.empty();
}

API cuModuleLoadDataEx(void **to, const void *image, unsigned n, int *options, void **values) {
	QUIET;
	if (!to || !image) return INVALID_VALUE;
	std::set<std::string> names;
	if (!entries((const char *)image, names)) return INVALID_PTX;
	void *m = new char;
	state.modules[m] = names;
	*to = m;
	return OK;
}
API cuModuleLoadData(void **to, const void *image) { return cuModuleLoadDataEx(to, image, 0, nullptr, nullptr); }

API cuModuleUnload(void *m) {
	QUIET;
	if (!state.modules.count(m)) return INVALID_HANDLE;
	if (Result r = drainAll()) return r;
	state.modules.erase(m);
	delete (char *)m;
	return OK;
}

API cuModuleGetFunction(const emulate::Kernel **to, void *m, const char *name) {
	READY;
	auto i = state.modules.find(m);
	if (i == state.modules.end()) return INVALID_HANDLE;
	if (!to || !name) return INVALID_VALUE;
	if (!i->second.count(name)) return NOT_FOUND;
	*to = emulate::find(name);
	return OK;
}

static bool loaded(const emulate::Kernel *k) {
	for (auto &m : state.modules)
		for (auto &name : m.second)
			if (emulate::find(name.c_str()) == k) return true;
	return false;
}

static Result perform(const emulate::Kernel *k, const unsigned grid[3], unsigned threads, const std::vector<uint64_t> &params) {
	if (++state.launches == setting("TEFF_FAKE_LOST", 0)) return LAUNCH_FAILED;
	for (int i = 0; i < k->params; i++)
		if (k->pointers >> i & 1 && params[i] && !inside(params[i], 4)) {
			complain(std::string(k->name) + ": parameter " + std::to_string(i) + " is no device memory");
			return ILLEGAL_ADDRESS;
		}
	const char *wrong = emulate::launch(k, grid, threads, params.data());
	Result r = LAUNCH_FAILED;
	if (!wrong) {
		wrong = damaged();
		r = ILLEGAL_ADDRESS;
	}
	if (!wrong) return OK;
	complain(std::string(k->name) + ": " + wrong);
	return r;
}

API cuLaunchKernel(const emulate::Kernel *k, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, Stream *s, void **params, void **extra) {
	READY;
	if (!loaded(k)) return INVALID_HANDLE;
	if (gx < 1 || gx > 0x7fffffff || gy < 1 || gy > 65535 || gz < 1 || gz > 65535) return INVALID_VALUE;
	// The kernels are compiled for at most 256 threads, in one dimension.
	if (bx < 1 || bx > 256 || by != 1 || bz != 1 || shared > 48 << 10 || !params || extra) return INVALID_VALUE;
	std::vector<uint64_t> copied((size_t)k->params);
	for (int i = 0; i < k->params; i++) {
		if (!params[i]) return INVALID_VALUE;
		memcpy(&copied[(size_t)i], params[i], 8);
	}
	return submit(s, [=] {
		const unsigned grid[3] = {gx, gy, gz};
		return perform(k, grid, bx, copied);
	});
}
