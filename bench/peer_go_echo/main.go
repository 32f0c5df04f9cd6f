// An echo server of goroutines on one processor, for bench/peer_io --also: serves what connects to the socket that it
// was given as descriptor 3, until its process is ended.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
)

// As bench/baseline/echo_setup.hpp has it.
const bufferBytes = 1024

func serve(peer net.Conn) {
	defer peer.Close()
	data := make([]byte, bufferBytes)
	for {
		got, err := peer.Read(data)
		if err != nil {
			return
		}
		if _, err = peer.Write(data[:got]); err != nil {
			return
		}
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	door, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer_go_echo: descriptor 3 is to be a socket that listens:", err)
		os.Exit(2)
	}
	for {
		peer, err := door.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "peer_go_echo:", err)
			os.Exit(1)
		}
		go serve(peer)
	}
}
