package resp

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

var serverCommands = []*command{
	{name: "COMMAND", arity: -1, plan: commandCommand},
	{name: "CONFIG", arity: -2, plan: config},
	{name: "SLOWLOG", arity: -2, plan: slowlog, alone: true},
	{name: "INFO", arity: -1, plan: func(c *conn, _ [][]byte) (op, error) {
		text := c.server.info()
		return replying(func(w *writer) { w.text("txt", text) }), nil
	}},
}

func commandCommand(_ *conn, args [][]byte) (op, error) {
	sub := ""
	if len(args) > 1 {
		sub = strings.ToUpper(string(args[1]))
	}
	switch sub {
	case "":
		return replying(func(w *writer) {
			w.array(len(sorted))
			for _, cmd := range sorted {
				cmd.describe(w)
			}
		}), nil
	case "COUNT":
		if len(args) > 2 {
			break
		}
		return replying(func(w *writer) { w.int(int64(len(sorted))) }), nil
	case "LIST":
		return replying(func(w *writer) {
			w.array(len(sorted))
			for _, cmd := range sorted {
				w.bulk(strings.ToLower(cmd.name))
			}
		}), nil
	case "DOCS":
		return replying(func(w *writer) { w.pairs(0) }), nil
	case "INFO":
		list := make([]*command, 0, len(args))
		for _, name := range args[2:] {
			list = append(list, lookup(name))
		}
		return replying(func(w *writer) {
			w.array(len(list))
			for _, cmd := range list {
				if cmd == nil {
					w.null()
				} else {
					cmd.describe(w)
				}
			}
		}), nil
	}
	return op{}, subcommandError("COMMAND", args, "COUNT", "DOCS [command …]", "INFO [command …]", "LIST")
}

func (cmd *command) describe(w *writer) {
	w.array(6)
	w.bulk(strings.ToLower(cmd.name))
	w.int(int64(cmd.arity))
	flag := "readonly"
	if cmd.writes {
		flag = "write"
	}
	w.array(1)
	w.simple(flag)
	w.int(int64(cmd.first))
	w.int(int64(cmd.last))
	w.int(int64(cmd.step))
}

// config answers CONFIG GET: what tools read at their start.
func config(_ *conn, args [][]byte) (op, error) {
	switch sub := strings.ToUpper(string(args[1])); {
	case sub == "GET" && len(args) > 2:
	case sub == "SET" || sub == "REWRITE":
		return op{}, errors.New("ERR the server is configured by its flags: kahuna-server --help")
	default:
		return op{}, subcommandError("CONFIG", args, "GET pattern …")
	}
	var found [][2]string
	for _, setting := range [][2]string{{"appendfsync", "always"}, {"appendonly", "yes"}, {"databases", "2"}, {"maxmemory", "0"},
		{"maxmemory-policy", "noeviction"}, {"save", ""},
		{"slowlog-log-slower-than", strconv.FormatInt(slowAfter.Microseconds(), 10)}, {"slowlog-max-len", strconv.Itoa(slowMost)},
		{"timeout", "0"}} {
		for _, pattern := range args[2:] {
			if ok, err := path.Match(strings.ToLower(string(pattern)), setting[0]); err == nil && ok {
				found = append(found, setting)
				break
			}
		}
	}
	return replying(func(w *writer) {
		w.pairs(len(found))
		for _, setting := range found {
			w.bulk(setting[0])
			w.bulk(setting[1])
		}
	}), nil
}

// info is the text of INFO.
func (s *Server) info() string {
	st := s.db.Stats()
	var b strings.Builder
	up := time.Since(s.started)
	fmt.Fprintf(&b, "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nserver_name:kahuna\r\nprocess_id:%d\r\n"+
		"uptime_in_seconds:%d\r\nuptime_in_days:%d\r\n\r\n", version, os.Getpid(), int(up.Seconds()), int(up.Hours()/24))
	fmt.Fprintf(&b, "# Clients\r\nconnected_clients:%d\r\nmaxclients:%d\r\n\r\n", s.open.Load(), s.o.Connections)
	fmt.Fprintf(&b, "# Memory\r\nused_memory:%d\r\nrow_cache_bytes:%d\r\nephemeral_bytes:%d\r\n\r\n",
		st.RowCacheBytes+st.EphemeralBytes+st.BlockCacheBytes, st.RowCacheBytes, st.EphemeralBytes)
	fmt.Fprintf(&b, "# Persistence\r\nloading:0\r\naof_enabled:1\r\naof_last_write_status:ok\r\nlog_bytes:%d\r\nrows_bytes:%d\r\n"+
		"fsyncs:%d\r\nbatches:%d\r\n\r\n", st.LogBytes, st.RowsBytes, st.Fsyncs, st.Batches)
	fmt.Fprintf(&b, "# Stats\r\ntotal_connections_received:%d\r\ntotal_commands_processed:%d\r\nevicted_keys:%d\r\nexpired_keys:%d\r\n"+
		"scripts_fast:%d\r\nscripts_slow:%d\r\nscripts_waiting:%d\r\n\r\n", s.lastID, s.requests.Load(), st.EphemeralEvicted,
		st.EphemeralExpired, st.FastPath, st.SlowPath, st.SlowWaiting)
	fmt.Fprintf(&b, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n")
	fmt.Fprintf(&b, "# Keyspace\r\ndb0:keys=%d,expires=0,avg_ttl=0\r\ndb1:keys=%d,expires=0,avg_ttl=0\r\n", st.Rows, st.EphemeralRows)
	return b.String()
}
