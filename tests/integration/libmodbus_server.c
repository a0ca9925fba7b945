/* An independent Modbus TCP server: serves 40 holding and 8 input registers of every unit on 127.0.0.1.
 * usage: libmodbus_server WORD...   the first holding registers; input registers hold the same words, reversed.
 * Prints the port it listens on. */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 40, 8);
    if (ctx == NULL || map == NULL)
        return 1;
    for (int n = 1; n < argc && n <= 40; n++) {
        map->tab_registers[n - 1] = (uint16_t)strtoul(argv[n], NULL, 0);
        if (n <= 8)
            map->tab_input_registers[8 - n] = map->tab_registers[n - 1];
    }
    int listening = modbus_tcp_listen(ctx, 1);
    if (listening < 0)
        return 1;
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (getsockname(listening, (struct sockaddr *)&bound, &length) != 0)
        return 1;
    printf("%d\n", ntohs(bound.sin_port));
    fflush(stdout);
    for (;;) {
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        if (modbus_tcp_accept(ctx, &listening) < 0)
            return 1;
        for (;;) {
            int got = modbus_receive(ctx, query);
            if (got > 0)
                modbus_reply(ctx, query, got, map);
            else if (got < 0)
                break;
        }
        close(modbus_get_socket(ctx));
    }
}
