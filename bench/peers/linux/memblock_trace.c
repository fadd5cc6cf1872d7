// SPDX-License-Identifier: GPL-2.0-only
// Plays a trace (specs/memblock.md §11) on Linux's own memblock: the peer of memblock_trace_main.cpp, line by line.
//
// mm/memblock.c of an installed kernel source package is compiled unchanged, through the headers of its test harness;
// run_memblock_peer.py does that in a folder outside of this repository. It is included, not linked, because starting
// again means resetting variables that are its own.
#include <memblock.c>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define RAM_START 0x10000UL
#define RAM_END (1UL << 40)
#define ARGUMENTS_MAX 6
#define WORDS_MAX (1 + ARGUMENTS_MAX)

enum verb {
    RESET, RESIZE, ADD, REMOVE, RESERVE, FREE, ADDNODE, ALLOC, HOTPLUG, NOHOTPLUG, MIRROR, NOMAP, MAP, NOINIT, SETNODE,
    TRIM, LIMIT, ENFORCE, CAP, BOTTOMUP, MOVABLE, ISMEM, ISRES, ISMAP, REGMEM, REGRES, RANGES, RANGES_REV, FREEALL, DUMP,
    TIME, VERBS
};
static const char* const verb_names[VERBS] = {
    "reset", "resize", "add", "remove", "reserve", "free", "addnode", "alloc", "hotplug", "nohotplug", "mirror", "nomap",
    "map", "noinit", "setnode", "trim", "limit", "enforce", "cap", "bottomup", "movable", "ismem", "isres", "ismap",
    "regmem", "regres", "ranges", "ranges_rev", "freeall", "dump", "time"};

struct op {
    enum verb verb;
    uint64_t args[ARGUMENTS_MAX];
    char* name;  // of a section, for TIME
};

bool movable_node_enabled;
bool mirrored_kernelcore = true;

static bool silent;
static uint64_t checksum;
static uint64_t handover_calls;
static unsigned long presize;
static struct memblock_region *static_memory, *static_reserved, *big_memory, *big_reserved;

// What memblock.c needs from elsewhere.
struct pglist_data* first_online_pgdat(void) { return NULL; }
struct pglist_data* next_online_pgdat(struct pglist_data* pgdat) { (void)pgdat; return NULL; }
void atomic_long_set(atomic_long_t* v, long i) { (void)v; (void)i; }
bool slab_is_available(void) { return false; }
void* kmalloc(size_t size, gfp_t gfp) { (void)size; (void)gfp; abort(); }
void kfree(void* p) { (void)p; abort(); }
unsigned long long memparse(const char* text, char** end) { return strtoull(text, end, 0); }

void reserve_bootmem_region(phys_addr_t start, phys_addr_t end, int nid) {
    handover_calls++;
    if (!silent) printf("page-reserve 0x%llx 0x%llx %d\n", (unsigned long long)start, (unsigned long long)end, nid);
}
void memblock_free_pages(struct page* page, unsigned long pfn, unsigned int order) {
    (void)page;
    handover_calls++;
    if (!silent) printf("page-free 0x%lx %u\n", pfn, order);
}

static void note(uint64_t value) { checksum = checksum * 31 + value; }

static void reset_type(struct memblock_type* type, struct memblock_region* small, struct memblock_region* big) {
    type->regions = presize ? big : small;
    type->max = presize ? presize : 128;
    type->cnt = 0;
    type->total_size = 0;
    memset(type->regions, 0, sizeof(*type->regions));
    memblock_set_region_node(&type->regions[0], MAX_NUMNODES);
}

static void reset(void) {
    reset_type(&memblock.memory, static_memory, big_memory);
    reset_type(&memblock.reserved, static_reserved, big_reserved);
    memblock.bottom_up = false;
    memblock.current_limit = MEMBLOCK_ALLOC_ANYWHERE;
    memblock_can_resize = 0;
    system_has_some_mirror = false;
    movable_node_enabled = false;
}

static void dump_type(const struct memblock_type* type) {
    unsigned long i;
    printf("%s cnt=%lu max=%lu total=0x%llx\n", type->name, type->cnt, type->max, (unsigned long long)type->total_size);
    for (i = 0; i < type->cnt; i++) {
        const struct memblock_region* r = &type->regions[i];
        printf("  %lu 0x%llx 0x%llx nid=%d flags=0x%x\n", i, (unsigned long long)r->base, (unsigned long long)r->size,
               memblock_get_region_node(r), (unsigned)r->flags);
    }
}

static uint64_t walk(const struct op* op) {
    uint64_t i, ranges = 0;
    phys_addr_t start, end;
    int nid;
#define VISIT                                                                                             \
    do {                                                                                                  \
        ranges++;                                                                                         \
        note(start);                                                                                      \
        if (!silent) printf("  0x%llx 0x%llx %d\n", (unsigned long long)start, (unsigned long long)end, nid); \
    } while (0)
    if (op->verb == RANGES)
        for_each_free_mem_range(i, (int)op->args[0], (enum memblock_flags)op->args[1], &start, &end, &nid) VISIT;
    else
        for_each_free_mem_range_reverse(i, (int)op->args[0], (enum memblock_flags)op->args[1], &start, &end, &nid) VISIT;
    if (!silent) printf(".\n");
    return ranges;
}

static int change(const struct op* op) {
    const uint64_t* a = op->args;
    switch (op->verb) {
        case ADD: return memblock_add(a[0], a[1]);
        case REMOVE: return memblock_remove(a[0], a[1]);
        case RESERVE: return memblock_reserve(a[0], a[1]);
        case FREE: return memblock_phys_free(a[0], a[1]);
        case ADDNODE: return memblock_add_node(a[0], a[1], (int)a[2], (enum memblock_flags)a[3]);
        case HOTPLUG: return memblock_mark_hotplug(a[0], a[1]);
        case NOHOTPLUG: return memblock_clear_hotplug(a[0], a[1]);
        case MIRROR: return memblock_mark_mirror(a[0], a[1]);
        case NOMAP: return memblock_mark_nomap(a[0], a[1]);
        case MAP: return memblock_clear_nomap(a[0], a[1]);
        case NOINIT: return memblock_reserved_mark_noinit(a[0], a[1]);
        default:
            return memblock_set_node(a[0], a[1], a[3] ? &memblock.reserved : &memblock.memory, (int)a[2]);
    }
}

static uint64_t query(const struct op* op) {
    switch (op->verb) {
        case ISMEM: return memblock_is_memory(op->args[0]);
        case ISRES: return memblock_is_reserved(op->args[0]);
        case ISMAP: return memblock_is_map_memory(op->args[0]);
        case REGMEM: return memblock_is_region_memory(op->args[0], op->args[1]) != 0;
        default: return memblock_is_region_reserved(op->args[0], op->args[1]) != 0;
    }
}

static uint64_t play(const struct op* op) {
    const uint64_t* a = op->args;
    uint64_t answer;
    int code;
    switch (op->verb) {
        case RESET: reset(); return 1;
        case RESIZE: memblock_allow_resize(); return 1;
        case TRIM: memblock_trim_memory(a[0]); return 1;
        case LIMIT: memblock_set_current_limit(a[0]); return 1;
        case ENFORCE: memblock_enforce_memory_limit(a[0]); return 1;
        case CAP: memblock_cap_memory_range(a[0], a[1]); return 1;
        case BOTTOMUP: memblock_set_bottom_up(a[0] != 0); return 1;
        case MOVABLE: movable_node_enabled = a[0] != 0; return 1;
        case RANGES:
        case RANGES_REV: return walk(op);
        case DUMP:
            if (!silent) {
                dump_type(&memblock.memory);
                dump_type(&memblock.reserved);
            }
            return 1;
        case FREEALL:
            handover_calls = 0;
            memblock_free_all();
            note(handover_calls);
            return 1;
        case ISMEM:
        case ISRES:
        case ISMAP:
        case REGMEM:
        case REGRES:
            answer = query(op);
            note(answer);
            if (!silent) printf("%d\n", (int)answer);
            return 1;
        case ALLOC:
            answer = memblock_alloc_range_nid(a[0], a[1], a[2], a[3], (int)a[4], a[5] != 0);
            note(answer);
            if (!silent) printf("0x%llx\n", (unsigned long long)answer);
            return 1;
        default:
            code = change(op);
            note((uint64_t)(int64_t)code);
            if (!silent) printf("%d\n", code);
            return 1;
    }
}

// Two arrays in one place (docs/memblock.md, traps): what follows depends on stale entries and says nothing.
static bool arrays_overlap(void) {
    const struct memblock_region *m = memblock.memory.regions, *r = memblock.reserved.regions;
    return m < r + memblock.reserved.max && r < m + memblock.memory.max;
}

static void fail(const char* what, const char* word) {
    fprintf(stderr, "memblock_trace (Linux): %s '%s'\n", what, word);
    exit(3);
}

static bool parse(char* line, struct op* op) {
    char* words[WORDS_MAX];
    char* word;
    int count = 0, i;
    memset(op, 0, sizeof(*op));
    op->verb = VERBS;
    if (!strncmp(line, "# time", 6)) {
        op->verb = TIME;
        word = strtok(line + 6, " \t\r\n");
        op->name = strdup(word ? word : "");
        return true;
    }
    line[strcspn(line, "#")] = 0;
    for (word = strtok(line, " \t\r\n"); word; word = strtok(NULL, " \t\r\n")) {
        if (count == WORDS_MAX) fail("too many words:", word);
        words[count++] = word;
    }
    if (!count) return false;
    for (i = 0; i < TIME; i++)
        if (!strcmp(words[0], verb_names[i])) op->verb = (enum verb)i;
    if (op->verb == VERBS) fail("no such operation:", words[0]);
    if (op->verb == ALLOC) op->args[4] = ~0UL;
    if (op->verb == RANGES || op->verb == RANGES_REV) op->args[0] = ~0UL;
    for (i = 1; i < count; i++) {
        const bool hex = !strncmp(words[i], "0x", 2);
        op->args[i - 1] = strtoull(words[i], NULL, hex ? 16 : 10);
    }
    return true;
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000UL + (uint64_t)t.tv_nsec;
}

static void play_timed(const struct op* ops, size_t count) {
    size_t i = 0;
    const char* name = "";
    while (i < count) {
        uint64_t units = 0, start = nanoseconds(), spent;
        for (; i < count && ops[i].verb != TIME; i++) units += play(&ops[i]);
        spent = nanoseconds() - start;
        if (*name) printf("%s %lu %lu 0x%lx\n", name, units, spent, checksum);
        if (i < count) name = ops[i++].name;
    }
}

// A BUG aborts, an array outside of RAM faults: what was answered until then must be seen.
static void on_abort(int signal) {
    (void)signal;
    fflush(stdout);
    _Exit(1);
}

static void back_ram(void) {
    void* ram = mmap((void*)RAM_START, RAM_END - RAM_START, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (ram != (void*)RAM_START) fail("cannot back", "[0x10000, 1 TiB)");
}

int main(int argc, char** argv) {
    struct op* ops = NULL;
    size_t count = 0, room = 0;
    char* line = NULL;
    size_t length = 0;
    int i;
    FILE* in = stdin;
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--presize") && i + 1 < argc)
            presize = strtoul(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--time"))
            silent = true;
        else if (strcmp(argv[i], "-") && !(in = fopen(argv[i], "r")))
            fail("cannot read", argv[i]);
    }
    back_ram();
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    static_memory = memblock.memory.regions;
    static_reserved = memblock.reserved.regions;
    if (presize) {
        big_memory = calloc(presize, sizeof(*big_memory));
        big_reserved = calloc(presize, sizeof(*big_reserved));
    }
    max_low_pfn = ~0UL;
    reset();
    while (getline(&line, &length, in) > 0) {
        if (count == room) ops = realloc(ops, (room = room ? 2 * room : 1024) * sizeof(*ops));
        if (parse(line, &ops[count])) count++;
    }
    if (silent)
        play_timed(ops, count);
    else
        for (size_t j = 0; j < count; j++) {
            if (ops[j].verb != TIME) play(&ops[j]);
            if (!arrays_overlap()) continue;
            printf("arrays-overlap\n");
            break;
        }
    return 0;
}
