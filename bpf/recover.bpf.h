/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_RECOVER_BPF_H
#define BPF_RECOVER_BPF_H

/*
 * recover - guest_recover.h in pieces that are verified one by one: global functions that find their state in the
 * scratch. Where RSP is always known nothing is left of them.
 */

__noinline int ukp_judge_in(__u32 which, __u64 slot)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return UKP_TRY_NO;
	return ukp_recover_judge(&sc->walk, slot);
}

static __always_inline int ukp_judge(struct ukp_walk *w, __u64 slot)
{
	return ukp_judge_in(w->which, slot);
}

__noinline int ukp_saved_in(__u32 which, __u64 gva)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	return ukp_recover_saved(&sc->walk, gva);
}

static __always_inline int ukp_saved(struct ukp_walk *w, __u64 gva)
{
	return ukp_saved_in(w->which, gva);
}

__noinline int ukp_frame_in(__u32 which, __u32 i)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return UKP_NO_FRAME;
	return ukp_recover_frame(&sc->walk, i);
}

static __always_inline int ukp_frame(struct ukp_walk *w, __u32 i)
{
	return ukp_frame_in(w->which, i);
}

__noinline int ukp_try_in(__u32 which, __u64 slot)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return UKP_TRY_NO;
	return ukp_recover_try(&sc->walk, slot);
}

static __always_inline int ukp_try(struct ukp_walk *w, __u64 slot)
{
	return ukp_try_in(w->which, slot);
}

__noinline int ukp_word_in(__u32 which, __u64 slot, __u64 word)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	return ukp_recover_word(&sc->walk, slot, word);
}

static __always_inline int ukp_word(struct ukp_walk *w, __u64 slot, __u64 word)
{
	return ukp_word_in(w->which, slot, word);
}

__noinline int ukp_look_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return -1;
	return ukp_recover_look(&sc->walk);
}

static __always_inline int ukp_look(struct ukp_walk *w)
{
	return ukp_look_in(w->which);
}

__noinline int ukp_along_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return -1;
	return ukp_recover_along(&sc->walk);
}

static __always_inline int ukp_along(struct ukp_walk *w)
{
	return ukp_along_in(w->which);
}

__noinline int ukp_over_in(__u32 which, __u64 from, __u64 end)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return -1;
	return ukp_recover_over(&sc->walk, from, end);
}

static __always_inline int ukp_over(struct ukp_walk *w, __u64 from, __u64 end)
{
	return ukp_over_in(w->which, from, end);
}

__noinline int ukp_reg_in(__u32 which, __u32 i)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	return ukp_recover_reg(&sc->walk, i);
}

static __always_inline int ukp_reg(struct ukp_walk *w, __u32 i)
{
	return ukp_reg_in(w->which, i);
}

__noinline int ukp_page_in(__u32 which, __u32 i)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	return ukp_recover_page(&sc->walk, i);
}

static __always_inline int ukp_page(struct ukp_walk *w, __u32 i)
{
	return ukp_page_in(w->which, i);
}

__noinline int ukp_recover_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	return ukp_recover_stack(&sc->walk);
}

static __always_inline int ukp_recover(struct ukp_walk *w)
{
	return rsp_is != UKP_RSP_KNOWN ? ukp_recover_in(w->which) : 0;
}

#endif /* BPF_RECOVER_BPF_H */
