package imageio

import (
	"bytes"
	"encoding/binary"
	"image/jpeg"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// withExif is a JPEG with an Exif segment of one directory: two tags of which
// the second is the orientation.
func withExif(t testing.TB, jpg []byte, order binary.AppendByteOrder, tag uint16, kind, value uint16) []byte {
	t.Helper()
	head := map[string]string{"LittleEndian": "II*\x00", "BigEndian": "MM\x00*"}[order.String()]
	tiff := order.AppendUint32([]byte(head), 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, e := range [][2]uint16{{0x10f, 1}, {tag, value}} {
		tiff = order.AppendUint16(tiff, e[0])
		tiff = order.AppendUint16(tiff, kind)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, e[1])
		tiff = order.AppendUint16(tiff, 0)
	}
	tiff = order.AppendUint32(tiff, 0)
	seg := append([]byte("Exif\x00\x00"), tiff...)
	app := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(seg)+2))
	return slices.Concat(jpg[:2], app, seg, jpg[2:])
}

// TestOrientation: the corners of a picture come out where the camera's holder
// saw them.
func TestOrientation(t *testing.T) {
	m := &RGB{W: 16, H: 8, Pix: make([]uint8, 3*16*8)} // quarters of four grays
	for i := range m.Pix {
		x, y := i/3%16, i/3/16
		m.Pix[i] = []uint8{20, 90, 160, 230}[x/8+2*(y/4)]
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m.nrgba(), &jpeg.Options{Quality: 100}))
	for o, want := range map[int][4]uint8{ // top left, top right, bottom left, bottom right
		0: {20, 90, 160, 230}, 1: {20, 90, 160, 230}, 2: {90, 20, 230, 160}, 3: {230, 160, 90, 20}, 4: {160, 230, 20, 90},
		5: {20, 160, 90, 230}, 6: {160, 20, 230, 90}, 7: {230, 90, 160, 20}, 8: {90, 230, 20, 160}, 9: {20, 90, 160, 230},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			got, err := Decode(bytes.NewReader(withExif(t, b.Bytes(), order, 0x112, 3, uint16(o))))
			require.NoError(t, err)
			w, h := 16, 8
			if o >= 5 && o <= 8 {
				w, h = 8, 16
			}
			require.Equal(t, []int{w, h}, []int{got.W, got.H}, "orientation %d", o)
			for i, at := range []int{0, w - 1, w * (h - 1), w*h - 1} {
				require.InDelta(t, want[i], got.Pix[3*at], 4, "orientation %d, corner %d", o, i)
			}
		}
	}
	for _, other := range [][]byte{withExif(t, b.Bytes(), binary.LittleEndian, 0x113, 3, 6), withExif(t, b.Bytes(), binary.LittleEndian, 0x112, 4, 6)} {
		require.Equal(t, 1, orientation(other))
	}
	whole := withExif(t, b.Bytes(), binary.BigEndian, 0x112, 3, 6)
	for n := range 80 { // cut anywhere
		require.Contains(t, []int{1, 6}, orientation(whole[:n]))
	}
}

// TestWebP reads a lossless picture of one colour, and names formats that are
// not read.
func TestWebP(t *testing.T) {
	m, err := Decode(bytes.NewReader([]byte(webp)))
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{m.W, m.H})
	for begin, want := range map[string]string{
		"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00": "this is HEIC", "\x00\x00\x00\x1cftypavif\x00\x00\x00\x00": "this is AVIF", "II*\x00\x08\x00\x00\x00": "this is TIFF", "": "empty", "hello": "unknown format",
	} {
		_, err := Decode(bytes.NewReader([]byte(begin)))
		require.ErrorContains(t, err, want)
	}
}

// webp is a lossless WebP file of one pixel.
const webp = "RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
