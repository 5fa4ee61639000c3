package replica

import (
	"context"
	"fmt"
	"log/slog"
)

// raftLogger lets Raft write to a slog.Logger. Raft ends the process, or
// panics, on an inconsistency; here both are a panic, which Replica.guard turns
// into an error.
type raftLogger struct {
	log *slog.Logger
	// asked is set while the replica asks Raft for an election. Raft warns when
	// it has to put that off; the replica expects it, and asks again.
	asked *bool
}

func (l raftLogger) write(level slog.Level, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprint(v...))
	}
}

func (l raftLogger) writef(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, v...))
	}
}

func (l raftLogger) warn() slog.Level {
	if *l.asked {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

func (l raftLogger) Debug(v ...any)                   { l.write(slog.LevelDebug, v) }
func (l raftLogger) Debugf(format string, v ...any)   { l.writef(slog.LevelDebug, format, v) }
func (l raftLogger) Info(v ...any)                    { l.write(slog.LevelInfo, v) }
func (l raftLogger) Infof(format string, v ...any)    { l.writef(slog.LevelInfo, format, v) }
func (l raftLogger) Warning(v ...any)                 { l.write(l.warn(), v) }
func (l raftLogger) Warningf(format string, v ...any) { l.writef(l.warn(), format, v) }
func (l raftLogger) Error(v ...any)                   { l.write(slog.LevelError, v) }
func (l raftLogger) Errorf(format string, v ...any)   { l.writef(slog.LevelError, format, v) }
func (l raftLogger) Fatal(v ...any)                   { l.Panic(v...) }
func (l raftLogger) Fatalf(format string, v ...any)   { l.Panicf(format, v...) }
func (l raftLogger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l raftLogger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
