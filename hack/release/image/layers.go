package image

import (
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

	"github.com/bursar-dev/bursar/hack/release/archive"
)

// user runs the programs: an unprivileged user who owns no files.
const user = "65532:65532"

// base is what every image has beneath its program: the certificate authorities that
// Mozilla trusts, at the version that go.sum pins, the name of its user, and the licences of
// what the programs are made of. Time zones are in the programs.
func base(notices []byte) []archive.File {
	return []archive.File{
		{Name: "etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/:/sbin/nologin\nbursar:x:65532:65532:bursar:/:/sbin/nologin\n")},
		{Name: "etc/group", Mode: 0o644, Content: []byte("root:x:0:\nbursar:x:65532:\n")},
		{Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: authorities()},
		{Name: "licenses/THIRD_PARTY_LICENSES.txt", Mode: 0o644, Content: notices},
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
func layer(files []archive.File, at time.Time) (v1.Layer, error) {
	var content bytes.Buffer
	if err := archive.Tar(&content, at, files...); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// program is the layer with the program alone.
func program(name, path string, at time.Time) (v1.Layer, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	return layer([]archive.File{{Name: name, Mode: 0o755, Content: content}}, at)
}
