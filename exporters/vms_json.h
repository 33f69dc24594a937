/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_VMS_JSON_H
#define EXPORTERS_VMS_JSON_H

/*
 * vms_json - /api/v1/vms: the VMs of this host with what they do now, as one JSON object for scripts.
 *
 * "schema" grows when a member changes its meaning or goes away; new members may come at any time. Counts
 * and seconds are cumulative. Rates are per second over "interval_seconds", the time between the two snapshots
 * that were given; they are null for a VM that is new since.
 *
 * "health" lists what is wrong with a VM's figures, in words that stay:
 *
 *   gone             its VMM has ended
 *   no_image         no image was found: addresses have no names
 *   unverified_image the image was not compared with guest memory yet
 *   wrong_image      the guest runs another image
 *   unresolved       more than a fifth of the samples have no name
 *   incomplete       more than a fifth of the stacks do not reach their root
 */

#include <stdint.h>

struct host_stats;
struct sink;

#define VMS_JSON_TYPE "application/json"

/**
 * vms_json__write() - the whole object.
 * @hs: the snapshot that is shown.
 * @earlier: one from before, for rates; NULL if there is none.
 * @now_mono_ns: CLOCK_MONOTONIC of the request, for the age; 0: the snapshot's.
 *
 * Return: 0; -ENOMEM; or the sink's error.
 */
int vms_json__write(const struct host_stats *hs, const struct host_stats *earlier,
		    uint64_t now_mono_ns, struct sink *sink);

#endif /* EXPORTERS_VMS_JSON_H */
