//go:build linux || darwin

package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// byteMode returns functions that let a terminal give what is typed byte by byte,
// without echo, and that give it back as it was. Ctrl-C and Ctrl-Z stay signals,
// and what is printed stays as it was.
func byteMode(fd int) (echoes bool, enter, leave func(), err error) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return false, nil, nil, err
	}
	bytes := *before
	bytes.Lflag &^= unix.ICANON | unix.ECHO
	bytes.Cc[unix.VMIN], bytes.Cc[unix.VTIME] = 1, 0
	set := func(state *unix.Termios) func() {
		return func() { _ = unix.IoctlSetTermios(fd, setTermios, state) }
	}
	return before.Lflag&unix.ECHO != 0, set(&bytes), set(before), nil
}

// onContinue calls a function whenever the process goes on after Ctrl-Z, until
// stop is called.
func onContinue(call func()) (stop func()) {
	continued, stopped, ended := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(continued, unix.SIGCONT)
	go func() {
		defer close(ended)
		for {
			select {
			case <-continued:
				call()
			case <-stopped:
				return
			}
		}
	}()
	return func() {
		signal.Stop(continued)
		close(stopped)
		<-ended
	}
}
