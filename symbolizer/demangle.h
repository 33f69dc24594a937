/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_DEMANGLE_H
#define SYMBOLIZER_DEMANGLE_H

/*
 * demangle - names as the programmer wrote them: C++, both manglings of Rust, OCaml.
 *
 * Parameters are left away: they make a flame graph unreadable. What the compiler made of a function
 * stays visible: "parse [clone .cold]".
 *
 * Threads: any. Source: libiberty for C++ and Rust; for OCaml, asmcomp/compilenv.ml and its escapes ($xx).
 */

/**
 * demangle__name() - the readable form of a symbol's name.
 * @name: any bytes.
 *
 * Return: malloc()ed; NULL if the name is readable as it is, malformed, or there is no memory.
 */
char *demangle__name(const char *name);

#endif /* SYMBOLIZER_DEMANGLE_H */
