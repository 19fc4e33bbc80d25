/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tls.h - the files of a TLS server: read, checked before they are used, and looked at for newer ones.
 *
 * libmicrohttpd says only that it did not start when a key does not fit its certificate; here the file is named.
 */
#ifndef KCOH_ADMISSION_TLS_H
#define KCOH_ADMISSION_TLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* PEM files. */
struct kcoh_tls_paths {
	const char *cert; /* the server's, and those that signed it */
	const char *key;
	const char *
		client_ca; /* who signs the certificates that clients must show; NULL: they need none */
};

#define KCOH_TLS_FILES 3

/* Which files they were: another inode, time or size is another file. */
struct kcoh_tls_stamp {
	struct {
		ino_t inode;
		struct timespec changed;
		off_t bytes;
	} file[KCOH_TLS_FILES];
};

/* What stands in them, NUL-terminated; NULL: there is no such. */
struct kcoh_tls_texts {
	char *cert, *key, *client_ca;
	struct kcoh_tls_stamp stamp;
};

/* 0 and texts to be freed, or a negative errno and one sentence. */
int kcoh_tls_read(const struct kcoh_tls_paths *paths, struct kcoh_tls_texts *ret_texts, char *err,
		  size_t err_len);
void kcoh_tls_free(struct kcoh_tls_texts *texts);

/* Are these other files than those with that stamp? */
bool kcoh_tls_changed(const struct kcoh_tls_paths *paths, const struct kcoh_tls_stamp *stamp);

/* Has the client shown a certificate that the authority signed, for clients, and that is valid now? If not, one sentence. */
bool kcoh_tls_client_is_known(gnutls_session_t session, char *err, size_t err_len);

#endif
