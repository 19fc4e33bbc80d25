// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp.c - a listening TCP socket on a numeric address. See tcp.h.
 *
 * No names are resolved: what a host is called may change, and the resolver may hang when kcohd starts.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "names/text.h"
#include "serve/tcp.h"

#define BACKLOG 64

/* "[::1]:9754" -> "::1" and "9754". */
static int split(const char *address, char *host, size_t room, const char **ret_port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (len == 0 || !colon[1])
		return -EINVAL;
	if (*address == '[') {
		if (len < 3 || address[len - 1] != ']')
			return -EINVAL;
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return -EINVAL; /* IPv6 without brackets: where does the port begin? */
	}
	if (len >= room)
		return -EINVAL;
	memcpy(host, address, len);
	host[len] = '\0';
	*ret_port = colon + 1;
	return 0;
}

static int resolve(const char *address, struct addrinfo **ret_info)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	char host[64];
	const char *port;
	uint32_t number;

	/* getaddrinfo() takes a port of any size, modulo 65536. */
	if (split(address, host, sizeof(host), &port) < 0 || kcoh_text_u32(port, &number) < 0 ||
	    number > 65535)
		return -EINVAL;
	return getaddrinfo(host, port, &hints, ret_info) ? -EINVAL : 0;
}

int kcoh_tcp_check(const char *address)
{
	struct addrinfo *info;
	int err = resolve(address, &info);

	if (err == 0)
		freeaddrinfo(info);
	return err;
}

static int open_socket(const struct addrinfo *info)
{
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
			info->ai_protocol);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int kcoh_tcp_open(const char *address, char *err, size_t err_len)
{
	struct addrinfo *info;
	int fd = resolve(address, &info);

	if (fd < 0) {
		snprintf(err, err_len, "'%s' is no address like 127.0.0.1:9754 or [::1]:9754",
			 address);
		return fd;
	}
	fd = open_socket(info);
	freeaddrinfo(info);
	if (fd < 0)
		snprintf(err, err_len, "cannot listen on %s: %s", address, strerror(-fd));
	return fd;
}
