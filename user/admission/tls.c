// SPDX-License-Identifier: GPL-2.0-only
/*
 * tls.c - the files of a TLS server. See tls.h.
 */
#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "admission/tls.h"

#define FILE_MAX_BYTES (1u << 20)

static const char *path_at(const struct kcoh_tls_paths *paths, size_t i)
{
	return i == 0 ? paths->cert : i == 1 ? paths->key : paths->client_ca;
}

/* Files that are not there have a stamp of zeros. */
static void stamp_read(const struct kcoh_tls_paths *paths, struct kcoh_tls_stamp *ret_stamp)
{
	struct stat st;

	memset(ret_stamp, 0, sizeof(*ret_stamp));
	for (size_t i = 0; i < KCOH_TLS_FILES; i++) {
		if (!path_at(paths, i) || stat(path_at(paths, i), &st) < 0)
			continue;
		ret_stamp->file[i].inode = st.st_ino;
		ret_stamp->file[i].changed = st.st_mtim;
		ret_stamp->file[i].bytes = st.st_size;
	}
}

bool kcoh_tls_changed(const struct kcoh_tls_paths *paths, const struct kcoh_tls_stamp *stamp)
{
	struct kcoh_tls_stamp now;

	stamp_read(paths, &now);
	for (size_t i = 0; i < KCOH_TLS_FILES; i++) {
		if (now.file[i].inode != stamp->file[i].inode ||
		    now.file[i].bytes != stamp->file[i].bytes ||
		    now.file[i].changed.tv_sec != stamp->file[i].changed.tv_sec ||
		    now.file[i].changed.tv_nsec != stamp->file[i].changed.tv_nsec)
			return true;
	}
	return false;
}

static int text_read(const char *path, char **ret_text, char *err, size_t err_len)
{
	FILE *file = path ? fopen(path, "re") : NULL;
	char *text = file ? malloc(FILE_MAX_BYTES + 1) : NULL;
	size_t len = text ? fread(text, 1, FILE_MAX_BYTES + 1, file) : 0;
	int bad = !path ? 0 : !text || ferror(file) ? -errno : len > FILE_MAX_BYTES ? -EFBIG : 0;

	if (file)
		fclose(file);
	if (bad < 0 || !path) {
		if (bad < 0)
			snprintf(err, err_len, "cannot read %s: %s", path, strerror(-bad));
		free(text);
		return bad;
	}
	text[len] = '\0';
	*ret_text = text;
	return 0;
}

static gnutls_datum_t datum_of(char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned int)strlen(text) };
}

/* By giving them to GnuTLS as libmicrohttpd will. */
static int texts_check(const struct kcoh_tls_paths *paths, const struct kcoh_tls_texts *texts,
		       char *err, size_t err_len)
{
	gnutls_datum_t cert = datum_of(texts->cert), key = datum_of(texts->key), ca;
	gnutls_certificate_credentials_t credentials;
	int ret = gnutls_certificate_allocate_credentials(&credentials);

	if (ret < 0)
		return -ENOMEM;
	ret = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (ret < 0)
		snprintf(err, err_len, "%s and %s are no certificate and its key: %s", paths->cert,
			 paths->key, gnutls_strerror(ret));
	if (ret >= 0 && texts->client_ca) {
		ca = datum_of(texts->client_ca);
		ret = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
		if (ret <= 0)
			snprintf(err, err_len, "%s holds no certificate of an authority: %s",
				 paths->client_ca, ret < 0 ? gnutls_strerror(ret) : "it has none");
		ret = ret > 0 ? 0 : -1;
	}
	gnutls_certificate_free_credentials(credentials);
	return ret < 0 ? -EINVAL : 0;
}

int kcoh_tls_read(const struct kcoh_tls_paths *paths, struct kcoh_tls_texts *ret_texts, char *err,
		  size_t err_len)
{
	struct kcoh_tls_texts texts = { 0 };
	int bad;

	/* Before they are read: what changes while they are is another file then. */
	stamp_read(paths, &texts.stamp);
	bad = text_read(paths->cert, &texts.cert, err, err_len);
	if (bad == 0)
		bad = text_read(paths->key, &texts.key, err, err_len);
	if (bad == 0)
		bad = text_read(paths->client_ca, &texts.client_ca, err, err_len);
	if (bad == 0)
		bad = texts_check(paths, &texts, err, err_len);
	if (bad < 0)
		kcoh_tls_free(&texts);
	else
		*ret_texts = texts;
	return bad;
}

void kcoh_tls_free(struct kcoh_tls_texts *texts)
{
	if (texts->key)
		explicit_bzero(texts->key, strlen(texts->key));
	free(texts->cert);
	free(texts->key);
	free(texts->client_ca);
	*texts = (struct kcoh_tls_texts){ 0 };
}

bool kcoh_tls_client_is_known(gnutls_session_t session, char *err, size_t err_len)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
					  .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned int status = 0;
	gnutls_datum_t why = { 0 };
	int ret = gnutls_certificate_verify_peers(session, &purpose, 1, &status);

	if (ret >= 0 && status == 0)
		return true;
	if (ret >= 0)
		gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
	snprintf(err, err_len, "a client certificate is needed, and this one will not do: %s",
		 why.data                             ? (const char *)why.data :
		 ret == GNUTLS_E_NO_CERTIFICATE_FOUND ? "there is none" :
							gnutls_strerror(ret));
	gnutls_free(why.data);
	return false;
}
