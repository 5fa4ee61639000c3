// Command kahuna-cli runs scripts on a Kahuna store: one from a file, a pipe or the
// command line, or one after the other from a shell or a batch. It reads and
// writes keys without a script, and checks and formats scripts, too.
//
//	kahuna-cli --embedded DIR                      the shell
//	kahuna-cli --embedded DIR -e 'SCRIPT'          one script
//	kahuna-cli --embedded DIR run FILE|-           one script from a file
//	kahuna-cli --embedded DIR batch FILE|-         several, separated by lines of ---
//	kahuna-cli --embedded DIR get KEY              what one command does
//	kahuna-cli check FILE...                       all diagnostics
//	kahuna-cli fmt [-w] FILE...                    the canonical form
//	kahuna-cli completion bash|zsh|fish            a script for the shell
//
// What it guarantees:
//
//   - CLI-1: a result is printed after it is durable, in one write. Who has read
//     it finds it again after any crash.
//   - CLI-2: results go to standard output, and nothing else does; errors,
//     warnings and logs go to standard error. With --json standard output holds
//     one object a line, one line a script, failed ones included.
//   - CLI-3: the exit status is that of the first script that failed: 0 none
//     (NotSet and DoesNotExist are no failures); 1 failed or aborted, or the
//     output could not be written; 2 wrong usage, or refused before it ran; 3
//     the store cannot be opened; 128+n stopped by signal n.
//   - CLI-4: with run and -e, what does not compile is refused before the store
//     is opened or made.
//   - CLI-5: a file, a pipe and a paste are one script each, whole, whatever blank
//     lines they hold. Only batch splits its input, at lines of ---. In what is
//     typed, a string, a bracket or a block runs with all of it or not at all.
//   - CLI-6: what it reads is bounded by the limits of the language, and what it
//     prints of a script is safe on a terminal.
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
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup means it, and so does a shell's &
			signal.Notify(signals, s)
		}
	}
	// A reader that went away is an error of the write, not a signal.
	signal.Ignore(syscall.SIGPIPE)
	c := &cli{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals,
		terminal: isTerminal(os.Stdin), screen: isTerminal(os.Stdout), open: open}
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

// open opens a store in this process.
func open(dir string, o *kahuna.Options) (kahuna.Store, error) {
	db, err := kahuna.Open(dir, o)
	if err != nil {
		return nil, err // not a nil *DB in an interface
	}
	return db, nil
}
