/*
 * Preloaded into every server under test, so that it is reachable from this machine only and reaches nothing else:
 * a socket bound to any other address is bound to loopback, and a connection to anywhere else finds the network unreachable.
 * Programs that make system calls themselves (Go) pass it by; those are told to bind loopback by their own options.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum where { LOOPBACK, ANY, ELSEWHERE };

static enum where place(const struct sockaddr *address, socklen_t length)
{
    if (address->sa_family == AF_INET && length >= (socklen_t)sizeof(struct sockaddr_in)) {
        unsigned long v4 = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
        return v4 == 0 ? ANY : v4 >> 24 == 127 ? LOOPBACK : ELSEWHERE;
    }
    if (address->sa_family == AF_INET6 && length >= (socklen_t)sizeof(struct sockaddr_in6)) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_UNSPECIFIED(v6))
            return ANY;
        if (IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127))
            return LOOPBACK;
        return ELSEWHERE;
    }
    return LOOPBACK; /* a local socket of another family */
}

/* The same port on loopback. A dual-stack socket takes 127.0.0.1 in its IPv6 form, so that IPv4 clients still find it. */
static void bring_home(int socket, const struct sockaddr *from, struct sockaddr_storage *to)
{
    if (from->sa_family == AF_INET) {
        memcpy(to, from, sizeof(struct sockaddr_in));
        ((struct sockaddr_in *)to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        static const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
        int v6_only = 0;
        socklen_t length = sizeof v6_only;
        struct sockaddr_in6 *home = (struct sockaddr_in6 *)to;
        memcpy(to, from, sizeof(struct sockaddr_in6));
        getsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &length);
        if (v6_only)
            home->sin6_addr = in6addr_loopback;
        else
            memcpy(&home->sin6_addr, mapped, sizeof mapped);
        home->sin6_scope_id = 0;
    }
}

int bind(int socket, const struct sockaddr *address, socklen_t length)
{
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_storage home;
    if (address == NULL || place(address, length) == LOOPBACK)
        return next(socket, address, length);
    bring_home(socket, address, &home);
    return next(socket, (struct sockaddr *)&home, length);
}

int connect(int socket, const struct sockaddr *address, socklen_t length)
{
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (address != NULL && place(address, length) == ELSEWHERE) {
        errno = ENETUNREACH;
        return -1;
    }
    return next(socket, address, length);
}

ssize_t sendto(int socket, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length)
{
    ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    if (address != NULL && place(address, length) == ELSEWHERE) {
        errno = ENETUNREACH;
        return -1;
    }
    return next(socket, data, size, flags, address, length);
}
