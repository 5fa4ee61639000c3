//go:build !unix

package resp

import (
	"errors"
	"os"

	"github.com/panjf2000/gnet/v2"
)

// writeNow writes everything: here gnet has a goroutine for each connection.
func writeNow(g gnet.Conn, b []byte) (int, error) { return g.Write(b) }

func duplicate(gnet.Conn) (*os.File, error) { return nil, errors.ErrUnsupported }

func closeWrite(gnet.Conn) error { return errors.ErrUnsupported }
