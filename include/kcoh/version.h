/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * version.h - the version of this tree, of the programs as of the module (modinfo kcoh).
 *
 * What may be used with what is told by KCOH_ABI of abi.h; this number is for people and for packages.
 */
#ifndef KCOH_VERSION_H
#define KCOH_VERSION_H

#ifndef KCOH_VERSION
#define KCOH_VERSION "0.1.0"
#endif

#endif
