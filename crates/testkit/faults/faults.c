/* A disk that misbehaves, for one process and the files under one prefix. Preloaded (LD_PRELOAD)
 * into a server by the test kit's `faults` module; Linux with glibc.
 *
 *   FAULTS_PREFIX   files whose path starts with this are concerned; all others go through untouched
 *   FAULTS_STATE    a file of four 64-bit numbers, mapped: what is wrong now, and what was counted so far, over
 *                   restarts: syncs done, syncs failed, writes failed. What is wrong is, in its low byte,
 *                     0   nothing
 *                     1   writes, growing truncates and allocations fail with ENOSPC
 *                     2   the same fail with EIO
 *                     3   fsync and fdatasync fail with EIO, and sync nothing
 *                     4   fsync and fdatasync take so many milliseconds more as the other bytes say
 *
 * Nothing is asked of the kernel for a write where writes go through anyway: on a slow disk a server shall pay for its
 * syncs and not for ours being there.
 * Else the path of a descriptor is asked from the kernel at each call: descriptors are used again, and a
 * cache that missed one close would hurt the wrong file. Sockets and pipes are sorted out before.
 * Not concerned: writes through a memory map, O_SYNC writes, sync(), io_uring. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum fault { NONE, FULL, IO_FAILS, SYNC_FAILS, SLOW_SYNC };
enum number { NOW, SYNCS_DONE, SYNCS_FAILED, WRITES_FAILED, NUMBERS };

static const char *prefix;
static uint64_t *state;

/* System calls, not the functions of libc: those may be ours. */
static void give_up(const char *why) {
  syscall(SYS_write, 2, "faults: ", 8);
  syscall(SYS_write, 2, why, strlen(why));
  syscall(SYS_write, 2, "\n", 1);
  abort();
}

__attribute__((constructor)) static void start(void) {
  prefix = getenv("FAULTS_PREFIX");
  const char *path = getenv("FAULTS_STATE");
  if (!prefix || !path) return;
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd < 0) give_up("cannot open the file that FAULTS_STATE names");
  void *map = mmap(NULL, NUMBERS * sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
  syscall(SYS_close, fd);
  if (map == MAP_FAILED) give_up("cannot map the file that FAULTS_STATE names");
  state = map;
}

static void count(enum number which) { __atomic_add_fetch(&state[which], 1, __ATOMIC_SEQ_CST); }

static int concerned(int fd) {
  char link[40], path[PATH_MAX];
  struct stat about;
  int saved = errno;
  int answer = 0;
  if (fstat(fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    size_t wanted = strlen(prefix);
    answer = length >= (ssize_t)wanted && memcmp(path, prefix, wanted) == 0;
  }
  errno = saved;
  return answer;
}

static enum fault current(long *milliseconds) {
  if (!state) return NONE;
  uint64_t now = __atomic_load_n(&state[NOW], __ATOMIC_SEQ_CST);
  *milliseconds = (long)(now >> 8);
  if ((now & 255) > SLOW_SYNC) give_up("the file that FAULTS_STATE names holds an unknown fault");
  return (enum fault)(now & 255);
}

/* The errno with which a write to `fd` must fail, or 0. */
static int write_fault(int fd) {
  long unused;
  enum fault fault = current(&unused);
  if ((fault != FULL && fault != IO_FAILS) || !concerned(fd)) return 0;
  count(WRITES_FAILED);
  return fault == FULL ? ENOSPC : EIO;
}

/* The same for setting the size: a full disk still lets a file become shorter. */
static int truncate_fault(int fd, off64_t size) {
  struct stat about;
  long unused;
  if (current(&unused) == FULL && fstat(fd, &about) == 0 && size <= about.st_size) return 0;
  return write_fault(fd);
}

static int sync_with_faults(int fd, int (*real)(int)) {
  long milliseconds = 0;
  if (!state || !concerned(fd)) return real(fd);
  enum fault fault = current(&milliseconds);
  if (fault == SYNC_FAILS) {
    count(SYNCS_FAILED);
    errno = EIO;
    return -1;
  }
  if (fault == SLOW_SYNC) {
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
  }
  int result = real(fd);
  count(result == 0 ? SYNCS_DONE : SYNCS_FAILED);
  return result;
}

/* The function behind ours. A race here is harmless: all find the same one. */
static void *next(void **known, const char *name) {
  void *found = __atomic_load_n(known, __ATOMIC_RELAXED);
  if (!found) {
    found = dlsym(RTLD_NEXT, name);
    if (!found) give_up(name);
    __atomic_store_n(known, found, __ATOMIC_RELAXED);
  }
  return found;
}

#define SYNC(name)                                                              \
  int name(int fd) {                                                            \
    static void *known;                                                         \
    return sync_with_faults(fd, (int (*)(int))next(&known, #name));             \
  }
SYNC(fsync)
SYNC(fdatasync)

/* `fault` is the errno to fail with, 0 to go on to the real function. */
#define GUARDED(result, name, fault, parameters, arguments)                     \
  result name parameters {                                                      \
    static void *known;                                                         \
    int error = fault;                                                          \
    if (error) {                                                                \
      errno = error;                                                            \
      return -1;                                                                \
    }                                                                           \
    return ((result(*) parameters)next(&known, #name))arguments;                \
  }

GUARDED(ssize_t, write, write_fault(fd), (int fd, const void *bytes, size_t n), (fd, bytes, n))
GUARDED(ssize_t, writev, write_fault(fd), (int fd, const struct iovec *v, int n), (fd, v, n))
GUARDED(ssize_t, pwrite, write_fault(fd), (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at))
GUARDED(ssize_t, pwrite64, write_fault(fd), (int fd, const void *bytes, size_t n, off64_t at), (fd, bytes, n, at))
GUARDED(ssize_t, pwritev, write_fault(fd), (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
GUARDED(ssize_t, pwritev64, write_fault(fd), (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
GUARDED(ssize_t, copy_file_range, write_fault(out),
        (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags), (in, in_at, out, out_at, n, flags))
GUARDED(ssize_t, sendfile, write_fault(out), (int out, int in, off_t *at, size_t n), (out, in, at, n))
GUARDED(ssize_t, sendfile64, write_fault(out), (int out, int in, off64_t *at, size_t n), (out, in, at, n))
GUARDED(int, ftruncate, truncate_fault(fd, size), (int fd, off_t size), (fd, size))
GUARDED(int, ftruncate64, truncate_fault(fd, size), (int fd, off64_t size), (fd, size))
GUARDED(int, fallocate, write_fault(fd), (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
GUARDED(int, fallocate64, write_fault(fd), (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))

/* These two return the error and leave errno alone. */
#define ALLOCATE(name, offset)                                                  \
  int name(int fd, offset at, offset n) {                                       \
    static void *known;                                                         \
    int error = write_fault(fd);                                                \
    if (error) return error;                                                    \
    return ((int (*)(int, offset, offset))next(&known, #name))(fd, at, n);      \
  }
ALLOCATE(posix_fallocate, off_t)
ALLOCATE(posix_fallocate64, off64_t)
