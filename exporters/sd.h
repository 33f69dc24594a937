/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_SD_H
#define EXPORTERS_SD_H

/*
 * sd - service discovery over HTTP: one target per running VM, for engines that collect profiles (Alloy, Parca).
 *
 * All targets have the same address; __param_vm tells them apart: it becomes ?vm= of the request, and its
 * value is the VM's label (vm_label.h). The label vm is not for scraping metrics: there it is on the page.
 *
 * Source: Prometheus, "Writing HTTP service discovery"; __param_NAME in its configuration reference.
 */

#include <stdbool.h>

struct host_stats;
struct sink;

/** What the reply's Content-Type has to be; Prometheus compares it. */
#define SD_TYPE "application/json"

/**
 * sd__is_address() - whether an address may be given out: "host", "host:port", "[2001:db8::1]:port".
 * @address: usually the request's header Host, so anything; NULL is none.
 */
bool sd__is_address(const char *address);

/**
 * sd__write() - the list, a JSON array that may be empty.
 * @address: where the reader of the list reaches us; sd__is_address() is true for it.
 *
 * VMs that are gone are not in it.
 *
 * Return: 0; -ENOMEM; or the sink's error.
 */
int sd__write(const struct host_stats *hs, const char *address, struct sink *sink);

#endif /* EXPORTERS_SD_H */
