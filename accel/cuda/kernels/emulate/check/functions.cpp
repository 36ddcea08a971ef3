// Functions of one number, over numbers spread across all bit patterns, against
// the host's library in double precision.
#include "check.h"

namespace {

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
double unit(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

const float A = 0.375f, B = 0.5f;

const struct {
	const char *name;
	double (*f)(double);
	double bound; // of the error, in units of 2^-24 of the result
	double (*more)(double) = nullptr; // what the argument adds to the bound
} functions[] = {
    {"copy", [](double v) { return v; }, 0},
    {"clamp", [](double v) { return v < A ? A : v > B ? B : v; }, 0},
    {"leaky", [](double v) { return v < 0 ? A * v : v; }, 1},
    {"sigmoid", sigmoid, 6},
    {"tanh", [](double v) { return std::tanh(v); }, 6},
    {"hard sigmoid", [](double v) { return unit(A * v + B); }, 6},
    {"hard swish", [](double v) { return v * unit(v / 6 + 0.5); }, 6},
    // Below -87 the sigmoid is subnormal: half a unit of its last place, v times.
    {"swish", [](double v) { return v * sigmoid(v); }, 6, [](double v) { return v < -87 ? -1.25 * v : 0; }},
    {"exp", [](double v) { return std::exp(v); }, 6},
    {"log", [](double v) { return std::log(v); }, 6},
    {"sqrt", [](double v) { return std::sqrt(v); }, 1},
    {"neg", [](double v) { return -v; }, 0},
    {"abs", [](double v) { return std::fabs(v); }, 0},
    {"a*x+b", [](double v) { return A * v + B; }, 1},
    {"gelu", [](double v) { return v == -INFINITY ? -0.0 : 0.5 * v * std::erfc(-v / std::sqrt(2.0)); }, 5},
    {"softplus", [](double v) { return std::fmax(v, 0) + std::log1p(std::exp(-std::fabs(v))); }, 6},
    {"elu", [](double v) { return v < 0 ? A * std::expm1(v) : v; }, 6},
};

} // namespace

void checkFunctions() {
	const size_t n = 1 << 18;
	Array x(n), y(n);
	for (size_t i = 0; i < n; i++) {
		// Every 16384th bit pattern, moved about; the numbers that matter more densely.
		uint32_t b = i < n / 2 ? (uint32_t)(i << 15) + pick(1 << 15) : 0;
		if (b)
			memcpy(&x[i], &b, 4);
		else
			x[i] = number() * (i % 3 ? 12.f : i % 2 ? 100.f : 1.f) + number() * 1e-3f;
	}
	const float special[] = {0.f, -0.f, INFINITY, -INFINITY, NAN, 1.f, -1.f, 88.7228f, 88.73f, -87.4f, -103.9f, 1e-40f};
	for (size_t i = 0; i < sizeof special / 4; i++) x[i] = special[i];
	for (size_t kind = 0; kind < sizeof functions / sizeof *functions; kind++) {
		const auto &f = functions[kind];
		run("unary_f32", ceilDiv((i64)n, 256), 1, 1, Params()(x.data())(y.data())((i64)n)((i64)kind)((double)A)((double)B));
		REQUIRE(x.whole() && y.whole(), "unary_f32 wrote beside an array");
		double worst = 0;
		float at = 0;
		for (size_t i = 0; i < n; i++) {
			double exact = f.f(x[i]);
			float want = (float)exact, got = y[i];
			if ((std::isnan(want) && std::isnan(got)) || want == got) continue;
			// Subnormal results have fewer bits: their error counts against the smallest normal one.
			double e = std::fabs(got - exact) / std::fmax(std::fabs(exact), 1.1754944e-38) * 16777216;
			if (f.more && std::isfinite(e)) e = std::fmax(0, e - f.more(x[i]));
			if (!(e <= worst)) worst = e, at = x[i];
		}
		printf("%-12s error %6.2f x 2^-24 at %g, beyond what the argument allows\n", f.name, worst, (double)at);
		REQUIRE(worst <= f.bound, "%s: %g x 2^-24 at %g", f.name, worst, (double)at);
	}
}
