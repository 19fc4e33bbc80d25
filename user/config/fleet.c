// SPDX-License-Identifier: GPL-2.0-only
/*
 * fleet.c - [fleet]: where verdicts are published, and how a store is trusted.
 *
 * Who can write to the store can veto every migration of the fleet, or take every veto away. So the store is spoken to over TLS, with a
 * client certificate if it wants one; plain HTTP is taken for this machine's own addresses only (a proxy or a member beside us). An example:
 *
 *   [fleet]
 *   endpoints = https://10.0.0.11:2379, https://10.0.0.12:2379, https://10.0.0.13:2379
 *   ca = /etc/kcoh/fleet/ca.pem
 *   cert = /etc/kcoh/fleet/host.pem
 *   key = /etc/kcoh/fleet/host.key
 *
 * Without `endpoints` there is no fleet, and the other keys mean nothing.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/internal.h"
#include "names/text.h"

#define LEASE_MIN_S 5
#define LEASE_MAX_S 600
#define LEASE_S 15
#define HOST_BYTES 253 /* of a DNS name */
#define ENDPOINT_BYTES 256

/* Letters, digits, and . _ -: what a host name has, and what needs no quoting anywhere. */
static bool is_host_name(const char *text)
{
	size_t len =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return len > 0 && len <= HOST_BYTES && !text[len];
}

/* What stands between the scheme and the port: a name, an IPv4 address, or an IPv6 address in brackets. */
static size_t address_len(const char *text)
{
	size_t len;

	if (*text != '[')
		return strspn(text,
			      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
	return len > 1 && text[len] == ']' ? len + 1 : 0;
}

static bool is_own(const char *address, size_t len)
{
	return (len == 9 && !strncmp(address, "localhost", 9)) ||
	       (len == 5 && !strncmp(address, "[::1]", 5)) ||
	       (len > 4 && !strncmp(address, "127.", 4) && strspn(address, "0123456789.") >= len);
}

static int endpoint_check(struct parser *parser, const char *key, const char *url)
{
	bool tls = !strncmp(url, "https://", 8), plain = !strncmp(url, "http://", 7);
	const char *address = url + (tls ? 8 : 7);
	size_t len = tls || plain ? address_len(address) : 0;
	uint32_t port;

	if (!len || address[len] != ':' || kcoh_text_u32(address + len + 1, &port) < 0 ||
	    port < 1 || port > 65535 || strlen(url) >= ENDPOINT_BYTES)
		return parse_fail(parser, "%s must be URLs like https://10.0.0.11:2379, not '%s'",
				  key, url);
	if (plain && !is_own(address, len))
		return parse_fail(
			parser,
			"%s: '%s' is not encrypted: who is on the network could veto and allow "
			"every migration; use https (http is taken for 127.0.0.1, [::1] and "
			"localhost only)",
			key, url);
	return 1;
}

static void endpoints_drop(struct kcoh_fleet_config *fleet)
{
	while (fleet->endpoints_count)
		free(fleet->endpoints[--fleet->endpoints_count]);
}

static int endpoint_add(struct parser *parser, const char *key, const char *url)
{
	struct kcoh_fleet_config *fleet = &parser->config->fleet;

	if (!endpoint_check(parser, key, url))
		return 0;
	if (fleet->endpoints_count == KCOH_FLEET_ENDPOINTS)
		return parse_fail(parser, "%s may have %d URLs at most", key, KCOH_FLEET_ENDPOINTS);
	fleet->endpoints[fleet->endpoints_count] = strdup(url);
	if (!fleet->endpoints[fleet->endpoints_count])
		return parse_fail(parser, "no memory");
	fleet->endpoints_count++;
	return 1;
}

static int read_endpoints(struct parser *parser, const char *key, const char *value)
{
	char *copy = strdup(value), *at = copy, *url;
	int ok = copy != NULL;

	if (!copy)
		return parse_fail(parser, "no memory");
	endpoints_drop(&parser->config->fleet);
	while (ok && (url = strsep(&at, ","))) {
		size_t len;

		url += strspn(url, " \t");
		for (len = strlen(url); len && isblank((unsigned char)url[len - 1]); len--)
			url[len - 1] = '\0';
		ok = endpoint_add(parser, key, url);
	}
	free(copy);
	return ok;
}

static int text_take(struct parser *parser, char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return parse_fail(parser, "no memory");
	free(*text);
	*text = copy;
	return 1;
}

static int read_prefix(struct parser *parser, const char *key, const char *value)
{
	size_t len = strlen(value);

	if (*value != '/' || len < 2 || len > 128 || value[len - 1] == '/' || strstr(value, "//") ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") <
		    len)
		return parse_fail(parser,
				  "%s must be like /kcoh: letters, digits, and . _ - between "
				  "slashes, not '%s'",
				  key, value);
	return text_take(parser, &parser->config->fleet.prefix, value);
}

static int read_host(struct parser *parser, const char *key, const char *value)
{
	if (!is_host_name(value))
		return parse_fail(parser,
				  "%s must be a name of letters, digits, and . _ -, not '%s'", key,
				  value);
	return text_take(parser, &parser->config->fleet.host, value);
}

static int read_file(struct parser *parser, const char *key, const char *value)
{
	struct kcoh_fleet_config *fleet = &parser->config->fleet;

	if (*value != '/')
		return parse_fail(parser, "%s must be an absolute path, not '%s'", key, value);
	return text_take(parser,
			 !strcmp(key, "ca")   ? &fleet->ca :
			 !strcmp(key, "cert") ? &fleet->cert :
						&fleet->key,
			 value);
}

static int read_lease(struct parser *parser, const char *key, const char *value)
{
	uint32_t seconds;

	if (kcoh_text_u32(value, &seconds) < 0 || seconds < LEASE_MIN_S || seconds > LEASE_MAX_S)
		return parse_fail(parser, "%s must be a number of seconds from %d to %d, not '%s'",
				  key, LEASE_MIN_S, LEASE_MAX_S, value);
	parser->config->fleet.lease_s = seconds;
	return 1;
}

static int read_unknown(struct parser *parser, const char *key, const char *value)
{
	if (strcmp(value, "allow") && strcmp(value, "veto"))
		return parse_fail(parser, "%s '%s' is not known; choose allow or veto", key, value);
	parser->config->fleet.unknown_veto = !strcmp(value, "veto");
	return 1;
}

const struct key fleet_keys[] = {
	{ "endpoints", read_endpoints },
	{ "prefix", read_prefix },
	{ "host", read_host },
	{ "ca", read_file },
	{ "cert", read_file },
	{ "key", read_file },
	{ "lease_s", read_lease },
	{ "unknown_host", read_unknown },
	{ NULL, NULL },
};

int fleet_new(struct kcoh_fleet_config *fleet)
{
	char name[HOST_BYTES + 1];

	/* A machine without a usable name has to be given one. */
	if (gethostname(name, sizeof(name)) < 0 || !memchr(name, '\0', sizeof(name)) ||
	    !is_host_name(name))
		strcpy(name, "localhost");
	fleet->lease_s = LEASE_S;
	fleet->prefix = strdup("/kcoh");
	fleet->host = strdup(name);
	return fleet->prefix && fleet->host ? 0 : -ENOMEM;
}

void fleet_free(struct kcoh_fleet_config *fleet)
{
	endpoints_drop(fleet);
	free(fleet->prefix);
	free(fleet->host);
	free(fleet->ca);
	free(fleet->cert);
	free(fleet->key);
}

static bool has_tls(const struct kcoh_fleet_config *fleet)
{
	for (size_t i = 0; i < fleet->endpoints_count; i++) {
		if (!strncmp(fleet->endpoints[i], "https:", 6))
			return true;
	}
	return false;
}

/* What no single key shows. */
int fleet_check(const struct kcoh_fleet_config *fleet, char *err, size_t err_len)
{
	if (!fleet->cert != !fleet->key)
		snprintf(err, err_len, "[fleet] has %s but no %s: a client certificate needs both",
			 fleet->cert ? "cert" : "key", fleet->cert ? "key" : "cert");
	else if ((fleet->ca || fleet->cert) && fleet->endpoints_count && !has_tls(fleet))
		snprintf(err, err_len,
			 "[fleet] has certificates, but no endpoint is https: they would not be "
			 "used");
	else
		return 0;
	return -EINVAL;
}

static bool text_differs(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

bool fleet_differs(const struct kcoh_fleet_config *a, const struct kcoh_fleet_config *b)
{
	if (a->endpoints_count != b->endpoints_count || a->lease_s != b->lease_s ||
	    text_differs(a->prefix, b->prefix) || text_differs(a->host, b->host) ||
	    text_differs(a->ca, b->ca) || text_differs(a->cert, b->cert) ||
	    text_differs(a->key, b->key))
		return true;
	for (size_t i = 0; i < a->endpoints_count; i++) {
		if (strcmp(a->endpoints[i], b->endpoints[i]))
			return true;
	}
	return false;
}

const struct kcoh_fleet_config *kcoh_config_fleet(const struct kcoh_config *config)
{
	return config->fleet.endpoints_count ? &config->fleet : NULL;
}
