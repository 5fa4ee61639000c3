// Command kahuna-cli runs scripts on a Kahuna store: one from a file or the
// command line, or one after the other from a shell or a pipe. It checks and
// formats scripts without running them, too.
//
//	kahuna-cli --embedded DIR                      the shell
//	kahuna-cli --embedded DIR -e 'SCRIPT'          one script
//	kahuna-cli --embedded DIR run FILE|-           one script from a file
//	kahuna-cli check FILE...                       all diagnostics
//	kahuna-cli fmt [-w] FILE...                    the canonical form
//
// Results go to standard output, diagnostics to standard error. Exit status: 0
// success (NotSet and DoesNotExist too); 1 the script failed or aborted, or the
// output could not be written; 2 wrong usage, or the script does not compile; 3
// the store cannot be opened; 130 and 143 after SIGINT and SIGTERM.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"kahuna"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that went away is an error of the write, not a signal.
	signal.Ignore(syscall.SIGPIPE)
	c := &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals,
		terminal: isTerminal(os.Stdin), open: kahuna.Open}
	os.Exit(c.main(context.Background(), os.Args[1:]))
}

// isTerminal reports whether f is a terminal: a character device that is not
// the null device.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
