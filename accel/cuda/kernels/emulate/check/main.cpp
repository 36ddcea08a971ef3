// Checks every kernel, as the host runs it, against plain loops.
#include "check.h"

int failures, checks, shown;

int main(int args, char **arg) {
	const char *how = args > 1 ? arg[1] : "";
	emulate::forget(!strcmp(how, "no-barriers"), !strcmp(how, "no-waits"));
	if (!strcmp(how, "names")) {
		int n;
		for (const emulate::Kernel *k = emulate::list(&n), *end = k + n; k < end; k++) printf("%s\n", k->name);
		return 0;
	}
	typedef std::vector<void (*)()> Checks;
	// Where something is forgotten, the kernels that would show it are enough.
	const Checks all = {checkWindows, checkRows, checkFunctions, checkPointwise, checkProducts, checkTyped, checkTensorCores, checkGradients, checkNormGradients},
	             some = {checkWindows, checkProducts, checkTensorCores};
	for (auto check : *how ? some : all) shown = 0, check();
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
