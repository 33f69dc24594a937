/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make_seeds FOLDER - captures to begin with: of samples, of exits, and of samples with the host's stacks. */
#include "records.h"

#include <fcntl.h>
#include <stdio.h>

#include "capture.h"

static void write_capture(const char *folder, const char *name, const char *event, bool host_stacks)
{
	const struct recording_info info = { .version = "1", .host = "6.1", .event = event, .freq_hz = 99, .period_ns = 10101010,
					     .host_stacks = host_stacks };
	const struct recording_vm vm = { .id = 3, .pid = 77, .name = "a", .vmm = "qemu", .image = "/nowhere", .args = "x=1" };
	uint64_t counters[UKP_CTR_MAX] = { 9, 8, 7 };
	struct capture_writer *w;
	union any_record rec;
	char path[4096];
	size_t len;
	int i;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (capture_writer__new(&w, open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)))
		exit(1);
	capture_writer__begin(w, &info);
	capture_writer__vm(w, &vm);
	for (i = 0; i < 8; i++) {
		len = make_sample(&rec, 3, i % 2, i % 3, i % UKP_STOP_MAX, i, 0x100000 + 0x10 * i);
		capture_writer__record(w, &rec, len);
		len = make_host(&rec, 3, i / 2, 7 - i, i, 0x100000 + 0x10 * i);
		if (host_stacks) {
			capture_writer__record(w, &rec, len);
			capture_writer__symbol(w, &(struct recording_symbol){ i < 4 ? RECORDING_KERNEL : 3, 0x100000 + 0x10 * i,
									      i % 4 ? "name" : "kvm_arch_vcpu_ioctl_run" });
		}
		len = make_text(&rec, 3, 0x100000 + 0x10 * i, i);
		capture_writer__record(w, &rec, len);
	}
	capture_writer__counters(w, counters);
	capture_writer__end(w, RECORDING_FINISHED, 1000000000);
	if (capture_writer__close(w))
		exit(1);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	write_capture(argv[1], "samples.ukp", "cpu-clock", false);
	write_capture(argv[1], "exits.ukp", RECORDING_EVENT_EXITS, false);
	write_capture(argv[1], "host.ukp", "cpu-clock", true);
	return 0;
}
