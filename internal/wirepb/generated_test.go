package wirepb

import (
	"os"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TestGenerated: the Go code is what the .proto files say.
func TestGenerated(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".proto") {
			continue
		}
		n++
		name := "wirepb/" + f.Name()
		compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{".."}}}
		compiled, err := compiler.Compile(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		generated, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			t.Errorf("%v; run go generate", err)
			continue
		}
		if !proto.Equal(protodesc.ToFileDescriptorProto(compiled[0]), protodesc.ToFileDescriptorProto(generated)) {
			t.Errorf("%s has changed since its code was generated; run go generate", name)
		}
	}
	if n != 6 {
		t.Errorf("%d files", n)
	}
}
