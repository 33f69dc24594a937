/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_capture - a capture file of anybody's making, read and shown in every format. */
#include "fuzz.h"

#include "capture.h"
#include "exporter.h"
#include "log.h"
#include "naming.h"
#include "recording.h"
#include "sink.h"
#include "snapshot.h"

static void show(const struct snapshot *snap)
{
	static const char *const formats[] = { "text", "folded", "pprof", "svg" };
	struct sink *sink;
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		FUZZ_DEMAND(!sink__memory(&sink));
		exporter__by_name(formats[i])->write(snap, &(struct export_opts){ 0 }, sink);
		FUZZ_DEMAND(!sink__close(sink));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct naming_what what = { .measure = SNAP_MEASURE_SAMPLES, .roots = true };
	struct recording *rec;
	struct naming *naming;
	struct snapshot *snap = NULL;
	char path[32];
	int fd;

	log__set_level(LOG_LEVEL_ERR);
	fd = fuzz_file(data, len, path);
	FUZZ_DEMAND(!recording__new(&rec));
	FUZZ_DEMAND(!naming__new(&naming, &(struct naming_opts){ 0 }));
	if (capture__read(path, rec, NULL) == CAPTURE_OK) {
		if (recording__is_of_exits(rec))
			what.measure = SNAP_MEASURE_EXITS;
		if (!naming__snapshot(naming, rec, &what, &snap) && snap) {
			show(snap);
			snapshot__put(snap);
		}
	}
	naming__free(naming);
	recording__free(rec);
	close(fd);
	return 0;
}
