/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_VMM_INFO_H
#define USER_VMM_INFO_H

/*
 * vmm_info - what a VMM's command line tells: the VM's name, its image, the kernel's arguments.
 *
 * The only place that knows QEMU, Firecracker, solo5-hvt, Cloud Hypervisor and kvmtool apart. For any
 * other VMM, the first argument that is an ELF file is the image.
 */

#include <stddef.h>
#include <sys/types.h>

struct vmm_info {
	char *vmm;	   /* base name of the executable */
	char *name;	   /* VM's name; falls back to the image's file name, then to the VMM's */
	char *image;	   /* path that this process can open (through /proc/PID/root if need be), or NULL */
	char *image_shown; /* path as the VMM was given it, or NULL */
	char *args;	   /* the guest kernel's arguments, or NULL */
};

/**
 * vmm_info__parse() - read a command line.
 * @argv: @argc strings.
 * @out: filled in with names as given, without looking at any file; release with vmm_info__release().
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_info__parse(const char *const *argv, int argc, struct vmm_info *out);

/**
 * vmm_info__read() - the same for a running process, with the image's path made usable from here.
 *
 * A VMM in a container has another root and working directory; its paths are opened through them.
 *
 * Return: 0; -ESRCH if the process is gone; -ENOMEM; or the error of reading its command line.
 */
int vmm_info__read(pid_t pid, struct vmm_info *out);

void vmm_info__release(struct vmm_info *info);

/**
 * vmm_info__symbol_twin() - the file that holds the symbols of an image.
 * @image: path as in struct vmm_info.
 *
 * Unikraft leaves NAME.dbg beside the NAME that it boots.
 *
 * Return: path of the twin, to be freed; NULL if there is none.
 */
char *vmm_info__symbol_twin(const char *image);

#endif /* USER_VMM_INFO_H */
