/* Make close() fail for endpoints.new, as NFS does when a quota is exceeded. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int close(int fd) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    readlink(link, path, sizeof path - 1);
    errno = EDQUOT;
    return syscall(SYS_close, fd) || strstr(path, "/endpoints.new") ? -1 : 0;
}
