// Streams, captures, graphs and events. Work waits in its stream until somebody
// asks for it, as late as a device may do it: a result read too early, or memory
// reused too early, is wrong every time.
#include "fake.h"

#include <chrono>

static double clockNS() {
	return (double)std::chrono::steady_clock::now().time_since_epoch().count();
}

// pass marks the events of s that wait for no more than `done` pieces of work.
static void pass(Stream *s, size_t done) {
	for (Event *e : state.events)
		if (e->on == s && e->after <= done) {
			e->on = nullptr;
			e->ns = clockNS();
		}
}

static Result perform(const Work &w) {
	if (state.lost) return state.lost;
	return state.lost = w();
}

Result drain(Stream *s) {
	std::vector<Work> queue;
	queue.swap(s->queue);
	pass(s, 0);
	for (size_t i = 0; i < queue.size(); i++) {
		if (Result r = perform(queue[i])) return r;
		pass(s, i + 1);
	}
	return state.lost;
}

Result drainAll() {
	for (Stream *s : state.streams) drain(s);
	return state.lost;
}

Result submit(Stream *s, Work w) {
	if (!s) { // the default stream waits for all others
		if (Result r = quiet()) return r;
		if (Result r = drainAll()) return r;
		return perform(w);
	}
	if (!state.streams.count(s)) return INVALID_HANDLE;
	if (s->invalid) return CAPTURE_INVALIDATED;
	(s->capture ? s->capture->work : s->queue).push_back(std::move(w));
	return OK;
}

void releaseStreams() {
	for (Stream *s : state.streams) delete s;
	for (Event *e : state.events) delete e;
	for (Graph *g : state.graphs) delete g;
	for (Graph *g : state.execs) delete g;
	state.streams.clear();
	state.events.clear();
	state.graphs.clear();
	state.execs.clear();
}

API cuStreamCreate(Stream **to, unsigned flags) {
	READY;
	if (!to || flags > 1) return INVALID_VALUE;
	state.streams.insert(*to = new Stream);
	return OK;
}
API cuStreamCreateWithPriority(Stream **to, unsigned flags, int priority) { return cuStreamCreate(to, flags); }

API cuStreamDestroy_v2(Stream *s) {
	READY;
	if (!state.streams.count(s)) return INVALID_HANDLE;
	Result r = drain(s);
	state.streams.erase(s);
	delete s;
	return r;
}

API cuStreamSynchronize(Stream *s) {
	READY;
	if (!s) {
		if (Result r = quiet()) return r;
		return drainAll();
	}
	if (!state.streams.count(s)) return INVALID_HANDLE;
	if (s->capture) {
		s->invalid = true;
		return CAPTURE_UNSUPPORTED;
	}
	return drain(s);
}

API cuStreamQuery(Stream *s) {
	READY;
	if (!state.streams.count(s)) return INVALID_HANDLE;
	return s->queue.empty() ? OK : NOT_READY;
}

API cuStreamBeginCapture_v2(Stream *s, int mode) {
	READY;
	if (!state.streams.count(s)) return INVALID_HANDLE;
	if (s->capture || mode < 0 || mode > 2) return INVALID_VALUE;
	s->capture = std::make_unique<Graph>();
	s->mode = mode;
	s->capturer = std::this_thread::get_id();
	s->invalid = false;
	return OK;
}

API cuStreamEndCapture(Stream *s, Graph **to) {
	READY;
	if (!state.streams.count(s)) return INVALID_HANDLE;
	if (!to) return INVALID_VALUE;
	if (!s->capture) return CAPTURE_UNMATCHED;
	if (s->mode != 2 && s->capturer != std::this_thread::get_id()) return CAPTURE_WRONG_THREAD;
	*to = nullptr;
	std::unique_ptr<Graph> g = std::move(s->capture);
	if (s->invalid) {
		s->invalid = false;
		return CAPTURE_INVALIDATED;
	}
	state.graphs.insert(*to = g.release());
	return OK;
}

API cuStreamIsCapturing(Stream *s, int *status) {
	READY;
	if (!state.streams.count(s)) return INVALID_HANDLE;
	if (!status) return INVALID_VALUE;
	*status = !s->capture ? 0 : s->invalid ? 2 : 1;
	return OK;
}

API cuGraphInstantiateWithFlags(Graph **to, Graph *g, unsigned long long flags) {
	READY;
	if (!to || !state.graphs.count(g)) return INVALID_VALUE;
	state.execs.insert(*to = new Graph(*g));
	return OK;
}
API cuGraphInstantiate_v2(Graph **to, Graph *g, void **node, char *log, size_t n) {
	return cuGraphInstantiateWithFlags(to, g, 0);
}
API cuGraphInstantiate(Graph **to, Graph *g, void **node, char *log, size_t n) {
	return cuGraphInstantiateWithFlags(to, g, 0);
}

API cuGraphLaunch(Graph *g, Stream *s) {
	READY;
	if (!state.execs.count(g)) return INVALID_VALUE;
	for (const Work &w : g->work)
		if (Result r = submit(s, w)) return r;
	return OK;
}

static Result destroy(std::set<Graph *> &from, Graph *g) {
	if (!from.erase(g)) return INVALID_VALUE;
	delete g;
	return OK;
}

API cuGraphDestroy(Graph *g) {
	READY;
	return destroy(state.graphs, g);
}

API cuGraphExecDestroy(Graph *g) {
	READY;
	return destroy(state.execs, g);
}

API cuEventCreate(Event **to, unsigned flags) {
	READY;
	if (!to) return INVALID_VALUE;
	state.events.insert(*to = new Event);
	return OK;
}

API cuEventDestroy_v2(Event *e) {
	READY;
	if (!state.events.erase(e)) return INVALID_HANDLE;
	delete e;
	return OK;
}

API cuEventRecord(Event *e, Stream *s) {
	READY;
	if (!state.events.count(e) || (s && !state.streams.count(s))) return INVALID_HANDLE;
	if (s && s->capture) return OK; // a recorded event has no time
	e->recorded = true;
	if (!s)
		if (Result r = drainAll()) return r;
	e->on = s && !s->queue.empty() ? s : nullptr;
	e->after = s ? s->queue.size() : 0;
	e->ns = clockNS();
	return OK;
}

API cuEventSynchronize(Event *e) {
	READY;
	if (!state.events.count(e)) return INVALID_HANDLE;
	return e->on ? drain(e->on) : OK;
}

API cuEventQuery(Event *e) {
	READY;
	if (!state.events.count(e)) return INVALID_HANDLE;
	return e->on ? NOT_READY : OK;
}

API cuStreamWaitEvent(Stream *s, Event *e, unsigned flags) {
	READY;
	if (!state.events.count(e) || !state.streams.count(s)) return INVALID_HANDLE;
	return e->on && e->on != s ? drain(e->on) : OK;
}

API cuEventElapsedTime(float *ms, Event *from, Event *to) {
	READY;
	if (!state.events.count(from) || !state.events.count(to) || !from->recorded || !to->recorded) return INVALID_HANDLE;
	if (!ms) return INVALID_VALUE;
	if (from->on || to->on) return NOT_READY;
	*ms = (float)((to->ns - from->ns) * 1e-6);
	return OK;
}
