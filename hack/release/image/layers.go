package image

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is who runs the programs: nobody in particular, who owns nothing.
const user = "65532:65532"

// file is one file of a layer.
type file struct {
	name    string
	mode    int64
	content []byte
}

// base is what every image has beneath its program: the certificate authorities that
// Mozilla trusts, at the version that go.sum pins, and the name of its user. Time zones are in
// the programs.
func base() []file {
	return []file{
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nbursar:x:65532:65532:bursar:/:/sbin/nologin\n")},
		{"etc/group", 0o644, []byte("root:x:0:\nbursar:x:65532:\n")},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, authorities()},
	}
}

// authorities are the certificates, as Go and others look for them.
func authorities() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes it
	}
	return all.Bytes()
}

// layer makes a layer of files, all of the time given.
func layer(files []file, at time.Time) (v1.Layer, error) {
	var content bytes.Buffer
	if err := writeTar(&content, files, at); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// writeTar writes files, and the directories that they are in, owned by root.
func writeTar(to io.Writer, files []file, at time.Time) error {
	out := tar.NewWriter(to)
	written := map[string]bool{}
	for _, f := range files {
		for i, c := range f.name {
			if directory := f.name[:i]; c == '/' && !written[directory] {
				written[directory] = true
				if err := out.WriteHeader(header(directory+"/", tar.TypeDir, 0o755, 0, at)); err != nil {
					return err
				}
			}
		}
		if err := out.WriteHeader(header(f.name, tar.TypeReg, f.mode, len(f.content), at)); err != nil {
			return err
		}
		if _, err := out.Write(f.content); err != nil {
			return err
		}
	}
	return out.Close()
}

func header(name string, kind byte, mode int64, size int, at time.Time) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: int64(size), ModTime: at, Format: tar.FormatPAX}
}

// program is the layer with the program alone.
func program(name, path string, at time.Time) (v1.Layer, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	return layer([]file{{name, 0o755, content}}, at)
}
