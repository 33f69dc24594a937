/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_EXIT_NAMES_H
#define EXPORTERS_EXIT_NAMES_H

/*
 * exit_names - names of VM exits and of what they were for.
 *
 * Reasons are spelled as the kernel prints them in the tracepoint kvm_exit, so that its output, perf's and
 * ours can be compared. The number of what has no name is always kept.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf;

/**
 * exit_names__reason() - append the name of an exit reason.
 * @out: check strbuf__err() afterwards.
 * @isa: enum exit_isa.
 * @reason: raw code as the hardware gave it.
 *
 * On VMX the low 16 bits are the reason; the flags above follow after a space, as the kernel prints them:
 * "INVALID_STATE FAILED_VMENTRY". A code without a name is "UNKNOWN_0x4c".
 *
 * Source: arch/x86/kvm/trace.h, kvm_print_exit_reason().
 */
void exit_names__reason(struct strbuf *out, uint32_t isa, uint32_t reason);

/**
 * exit_names__nth() - the names one after the other, by code.
 * @i: from 0 on.
 * @reason: receives the code; may be NULL.
 *
 * Return: the name; NULL after the last one, and for an isa without names.
 */
const char *exit_names__nth(uint32_t isa, size_t i, uint32_t *reason);

/**
 * exit_names__is_idle() - whether the time of such an exit is that of a vCPU with nothing to do: HLT.
 *
 * On SVM that is "idle-halt" too, the form of the HLT intercept that newer processors have.
 */
bool exit_names__is_idle(uint32_t isa, uint32_t reason);

/**
 * exit_names__detail() - append what an exit was for: "out 0x3f8 (COM1)"; nothing for EXIT_DETAIL_NONE.
 * @vmm: name of the VMM, or NULL; the same port is another device for Solo5's tender than for QEMU.
 * @detail: enum exit_detail.
 * @value: port, GPA or number.
 */
void exit_names__detail(struct strbuf *out, const char *vmm, uint32_t detail, uint64_t value);

/** exit_names__detail_kind() - the detail as one word, such as "pio_out"; "" for EXIT_DETAIL_NONE. */
const char *exit_names__detail_kind(uint32_t detail);

#endif /* EXPORTERS_EXIT_NAMES_H */
