// Command pause holds the namespaces of a pod: it waits, reaps what its pod orphans, and ends when it is told.
package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGCHLD)
	for received := range signals {
		if received != unix.SIGCHLD {
			return
		}
		for {
			child, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err != nil || child <= 0 {
				break
			}
		}
	}
}
