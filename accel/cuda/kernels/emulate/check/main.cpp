// Checks every kernel, as the host runs it, against plain loops.
#include "check.h"

int failures, checks;

int main() {
	checkWindows();
	checkRows();
	checkFunctions();
	checkPointwise();
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
