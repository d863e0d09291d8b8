// An echo server on uWebSockets, as its own example is one: says the port, and serves until its
// parent ends it.

#include <sys/prctl.h>

#include <csignal>
#include <cstdio>

#include "App.h"

struct Nothing {};

int main() {
    // A parent that has died must not leave servers behind. No thread waits for that: with a second
    // one the allocator would take locks.
    prctl(PR_SET_PDEATHSIG, SIGKILL);

    uWS::App::WebSocketBehavior<Nothing> echo;
    echo.compression = uWS::DISABLED;
    echo.maxPayloadLength = 64 * 1024 * 1024;
    echo.maxBackpressure = 256 * 1024 * 1024;
    echo.idleTimeout = 0;
    echo.sendPingsAutomatically = false;
    // It corks by itself while it hands out what one read has brought.
    echo.message = [](auto *socket, std::string_view message, uWS::OpCode opcode) {
        socket->send(message, opcode);
    };

    uWS::App()
        .ws<Nothing>("/*", std::move(echo))
        .listen("127.0.0.1", 0, [](us_listen_socket_t *listener) {
            if (listener) {
                std::printf("%d\n", us_socket_local_port(0, (us_socket_t *) listener));
                std::fflush(stdout);
            }
        })
        .run();
    // Nothing is left to wait for: it could not listen.
    return 1;
}
