/* A stand-in for libnvidia-ml.so.1: NVML's ABI, its answers read at every call from the file that
 * FAKE_NVML names, so that a test changes the machine while the appliance runs.
 *
 *   driver 550.54.14            cuda 12040            error 18 (of every call; also in init)
 *   gpu <uuid> <total MiB> <used MiB> <util %> <mW> <deg C> <mJ> <cores> <name...>
 *   process <uuid> <pid> <MiB>                        lost <uuid>
 *   mute <function>             (it answers NOT_SUPPORTED)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUCCESS 0
#define UNINITIALIZED 1
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7
#define DRIVER_NOT_LOADED 9
#define GPU_IS_LOST 15
#define MAX_GPUS 64
#define MAX_PROCESSES 256
#define MIB (1024ULL * 1024ULL)

typedef int result;
typedef struct { char uuid[96], name[96]; unsigned long long total, used, energy;
                 unsigned util, milliwatts, degrees, cores; int lost; } gpu;
typedef struct { char uuid[96]; unsigned pid; unsigned long long used; } process;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process_info;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned gpu, memory; } utilization;

static char driver[80], muted[32][64];
static int cuda, error, gpus, processes, mutes;
static gpu all[MAX_GPUS];
static process running[MAX_PROCESSES];
static int ready;

static void parse(char *line) {
    char word[64]; int at = 0;
    if (sscanf(line, "%63s %n", word, &at) != 1) return;
    char *rest = line + at;
    if (!strcmp(word, "driver")) sscanf(rest, "%79s", driver);
    else if (!strcmp(word, "cuda")) sscanf(rest, "%d", &cuda);
    else if (!strcmp(word, "error")) sscanf(rest, "%d", &error);
    else if (!strcmp(word, "mute") && mutes < 32) sscanf(rest, "%63s", muted[mutes++]);
    else if (!strcmp(word, "gpu") && gpus < MAX_GPUS) {
        gpu *g = &all[gpus++];
        memset(g, 0, sizeof *g);
        sscanf(rest, "%95s %llu %llu %u %u %u %llu %u %95[^\n]", g->uuid, &g->total, &g->used,
               &g->util, &g->milliwatts, &g->degrees, &g->energy, &g->cores, g->name);
    } else if (!strcmp(word, "process") && processes < MAX_PROCESSES) {
        process *p = &running[processes++];
        sscanf(rest, "%95s %u %llu", p->uuid, &p->pid, &p->used);
    } else if (!strcmp(word, "lost")) {
        char uuid[96] = ""; sscanf(rest, "%95s", uuid);
        for (int i = 0; i < gpus; i++) if (!strcmp(all[i].uuid, uuid)) all[i].lost = 1;
    }
}

static result look(const char *function) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    if (!file) return DRIVER_NOT_LOADED;
    strcpy(driver, "550.54.14"); cuda = 12040;
    error = gpus = processes = mutes = 0;
    while (fgets(line, sizeof line, file)) parse(line);
    fclose(file);
    for (int i = 0; i < mutes; i++) if (!strcmp(muted[i], function)) return NOT_SUPPORTED;
    return error;
}

#define LOOK do { result r = look(__func__); if (r) return r; \
                  if (!ready) return UNINITIALIZED; } while (0)
/* A handle is the GPU's number plus one. */
#define CARD(handle) LOOK; size_t n = (size_t)(handle) - 1; \
    if (n >= (size_t)gpus) return INVALID_ARGUMENT; \
    gpu *g = &all[n]; if (g->lost) return GPU_IS_LOST

result nvmlInitWithFlags(unsigned flags) {
    (void)flags; result r = look(__func__); if (r) return r; ready = 1; return SUCCESS;
}
result nvmlShutdown(void) { ready = 0; return SUCCESS; }
const char *nvmlErrorString(result r) { return r == 999 ? "Unknown Error" : "Fake Error"; }
result nvmlSystemGetDriverVersion(char *to, unsigned size) { LOOK; snprintf(to, size, "%s", driver); return SUCCESS; }
result nvmlSystemGetCudaDriverVersion_v2(int *to) { LOOK; *to = cuda; return SUCCESS; }
result nvmlDeviceGetCount_v2(unsigned *to) { LOOK; *to = gpus; return SUCCESS; }
result nvmlDeviceGetHandleByIndex_v2(unsigned index, void **to) { CARD((void *)(size_t)(index + 1)); (void)g; *to = (void *)(size_t)(index + 1); return SUCCESS; }
result nvmlDeviceGetName(void *h, char *to, unsigned size) { CARD(h); snprintf(to, size, "%s", g->name); return SUCCESS; }
result nvmlDeviceGetUUID(void *h, char *to, unsigned size) { CARD(h); snprintf(to, size, "%s", g->uuid); return SUCCESS; }
result nvmlDeviceGetMemoryInfo(void *h, memory *to) { CARD(h); to->total = g->total * MIB; to->used = g->used * MIB; to->free = to->total - to->used; return SUCCESS; }
result nvmlDeviceGetUtilizationRates(void *h, utilization *to) { CARD(h); to->gpu = g->util; to->memory = 0; return SUCCESS; }
result nvmlDeviceGetPowerUsage(void *h, unsigned *to) { CARD(h); *to = g->milliwatts; return SUCCESS; }
result nvmlDeviceGetTemperature(void *h, unsigned sensor, unsigned *to) { (void)sensor; CARD(h); *to = g->degrees; return SUCCESS; }
result nvmlDeviceGetTotalEnergyConsumption(void *h, unsigned long long *to) { CARD(h); *to = g->energy; return SUCCESS; }
#ifdef OLD /* a driver before 510 */
#define LIST(kind) nvmlDeviceGet##kind##RunningProcesses_v2
#else
#define LIST(kind) nvmlDeviceGet##kind##RunningProcesses_v3
result nvmlDeviceGetNumGpuCores(void *h, unsigned *to) { CARD(h); *to = g->cores; return SUCCESS; }
#endif
result LIST(Graphics)(void *h, unsigned *count, process_info *to) { CARD(h); (void)g; (void)to; *count = 0; return SUCCESS; }
result LIST(Compute)(void *h, unsigned *count, process_info *to) {
    CARD(h);
    unsigned room = *count, found = 0;
    for (int i = 0; i < processes; i++) {
        if (strcmp(running[i].uuid, g->uuid)) continue;
        if (to && found < room) { to[found].pid = running[i].pid; to[found].used = running[i].used * MIB; to[found].gi = to[found].ci = ~0u; }
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
