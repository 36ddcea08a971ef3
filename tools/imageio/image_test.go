package imageio

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
	"golang.org/x/image/bmp"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
)

// ramp is a smooth picture, gray when asked.
func ramp(w, h int, gray bool) *RGB {
	m := &RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	for i := range w * h {
		for c := range 3 {
			if gray {
				m.Pix[3*i+c] = uint8(4 * (i%w + i/w))
			} else {
				m.Pix[3*i+c] = uint8(3*(i%w) + 2*(i/w) + 40*c)
			}
		}
	}
	return m
}

func (m *RGB) nrgba() *image.NRGBA {
	o := image.NewNRGBA(image.Rect(0, 0, m.W, m.H))
	for i := range m.W * m.H {
		o.SetNRGBA(i%m.W, i/m.W, color.NRGBA{m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2], 255})
	}
	return o
}

func encoded(t testing.TB) map[string][]byte {
	m := ramp(19, 13, true).nrgba()
	files := map[string][]byte{}
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"png":  func(b *bytes.Buffer) error { return png.Encode(b, m) },
		"bmp":  func(b *bytes.Buffer) error { return bmp.Encode(b, m) },
		"gif":  func(b *bytes.Buffer) error { return gif.Encode(b, m, nil) },
		"jpeg": func(b *bytes.Buffer) error { return jpeg.Encode(b, m, &jpeg.Options{Quality: 100}) },
	} {
		var b bytes.Buffer
		require.NoError(t, encode(&b))
		files[name] = b.Bytes()
	}
	return files
}

func TestFormats(t *testing.T) {
	want := ramp(19, 13, true)
	for name, b := range encoded(t) {
		m, err := Decode(bytes.NewReader(b))
		require.NoError(t, err, name)
		require.Equal(t, []int{19, 13}, []int{m.W, m.H})
		for i := range want.Pix {
			limit := map[string]float64{"jpeg": 3, "gif": 20}[name] // lossy; 256 fixed colours
			require.InDelta(t, want.Pix[i], m.Pix[i], limit, name)
		}
		for n := range len(b) / 2 {
			_, err := Decode(bytes.NewReader(b[:n]))
			require.Error(t, err, "%s of %d bytes", name, n)
		}
	}
}

// TestTooLarge gives a header of a huge picture: it must be refused before
// there is memory for it.
func TestTooLarge(t *testing.T) {
	b := bytes.Clone(encoded(t)["png"])
	binary.BigEndian.PutUint32(b[16:], 1<<14)
	binary.BigEndian.PutUint32(b[20:], 1<<13) // twice what is let in, and no overflow of 32 bits
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	_, err := Decode(bytes.NewReader(b))
	require.ErrorContains(t, err, "too large")
	_, err = ramp(4, 400, true).Resize(1<<14, 1<<14, Bilinear)
	require.ErrorContains(t, err, "cannot resize")
}

// TestResizeKinds checks each way on what is known: constants stay, doubling
// nearest repeats, area halves to means, a ramp stays a ramp.
func TestResizeKinds(t *testing.T) {
	flat := &RGB{W: 7, H: 5, Pix: bytes.Repeat([]byte{200}, 105)}
	for _, mode := range []string{Nearest, Bilinear, Legacy, Antialias, Area} {
		for _, size := range [][2]int{{3, 2}, {7, 5}, {16, 11}, {1, 1}, {20, 3}} {
			m, err := flat.Resize(size[0], size[1], mode)
			require.NoError(t, err)
			require.Len(t, m.Pix, 3*size[0]*size[1])
			limit := map[string]float64{Legacy: 1}[mode] // 199.99999 is cut, not rounded
			for _, v := range m.Pix {
				require.InDelta(t, 200, v, limit, "%s %v", mode, size)
			}
		}
	}
	pixels := func(m *RGB) (v []uint8) {
		for i := 0; i < len(m.Pix); i += 3 {
			v = append(v, m.Pix[i])
		}
		return v
	}
	line := &RGB{W: 4, H: 1, Pix: []uint8{0, 0, 0, 40, 40, 40, 80, 80, 80, 121, 121, 121}}
	for _, c := range []struct {
		mode string
		w    int
		want []uint8
	}{
		{Nearest, 8, []uint8{0, 0, 40, 40, 80, 80, 121, 121}},
		{Nearest, 2, []uint8{40, 121}},
		{Area, 2, []uint8{20, 100}}, // 100.5, half to even
		{Legacy, 8, []uint8{0, 20, 40, 60, 80, 100, 121, 121}},
		{Legacy, 2, []uint8{0, 80}},
		{Bilinear, 8, []uint8{0, 10, 30, 50, 70, 90, 111, 121}},
		{Bilinear, 2, []uint8{20, 100}},
		{Antialias, 2, []uint8{29, 92}}, // weights 3 3 1 and 1 3 3, sevenths
	} {
		m, err := line.Resize(c.w, 1, c.mode)
		require.NoError(t, err)
		require.Equal(t, c.want, pixels(m), "%s to %d", c.mode, c.w)
	}
	_, err := line.Resize(2, 2, "cubist")
	require.ErrorContains(t, err, "cubist")
}

func TestCrop(t *testing.T) {
	m := ramp(6, 5, false).Crop(2, 3)
	require.Equal(t, []int{2, 3, 18}, []int{m.W, m.H, len(m.Pix)})
	require.Equal(t, ramp(6, 5, false).Pix[3*(6+2):3*(6+4)], m.Pix[:6])
	require.Equal(t, 5, ramp(5, 4, false).Crop(9, 9).W)
}

// TestInto checks layouts, orders and number types on one picture.
func TestInto(t *testing.T) {
	m := &RGB{W: 2, H: 1, Pix: []uint8{10, 20, 30, 100, 150, 200}}
	quant := func(d tensor.DType, scale float32, zero int, dims ...int) tensor.Spec {
		s := tensor.Spec{DType: d, Shape: tensor.F32Spec(dims...).Shape}
		s.Quant = tensor.Affine(scale, zero)
		return s
	}
	for _, c := range []struct {
		name string
		p    format.Preprocess
		in   tensor.Spec
		want any
	}{
		{"nhwc", format.Preprocess{}, tensor.F32Spec(1, 1, 2, 3), []float32{10, 20, 30, 100, 150, 200}},
		{"nchw", format.Preprocess{}, tensor.F32Spec(1, 3, 1, 2), []float32{10, 100, 20, 150, 30, 200}},
		{"bgr", format.Preprocess{Order: "bgr"}, tensor.F32Spec(1, 1, 2, 3), []float32{30, 20, 10, 200, 150, 100}},
		{"gray", format.Preprocess{}, tensor.F32Spec(1, 1, 2, 1), []float32{18, 141}},
		{"mean", format.Preprocess{Scale: 0.5, Mean: []float32{1, 2, 3}, Std: []float32{2}}, tensor.F32Spec(1, 1, 2, 3), []float32{2, 4, 6, 24.5, 36.5, 48.5}},
		{"u8", format.Preprocess{}, quant(tensor.U8, 0.1, 3, 1, 1, 2, 3), []uint8{10, 20, 30, 100, 150, 200}},
		{"i8", format.Preprocess{}, quant(tensor.I8, 0.1, 3, 1, 1, 2, 3), []int8{-118, -108, -98, -28, 22, 72}},
		{"i8 scaled", format.Preprocess{Scale: 0.01}, quant(tensor.I8, 0.1, 3, 1, 1, 2, 3), []int8{4, 5, 6, 13, 18, 23}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Fit(c.p, c.in)
			require.NoError(t, err)
			x := tensor.New(c.in)
			require.NoError(t, Into(x, 0, m, p))
			switch want := c.want.(type) {
			case []float32:
				require.InDeltaSlice(t, want, x.F32(), 1e-5)
			case []uint8:
				require.Equal(t, want, x.Data)
			case []int8:
				require.Equal(t, want, x.I8())
			}
		})
	}
	for _, bad := range []struct {
		p  format.Preprocess
		in tensor.Spec
	}{
		{format.Preprocess{}, tensor.F32Spec(1, 10)},
		{format.Preprocess{}, tensor.F32Spec(1, 8, 8, 5)},
		{format.Preprocess{Order: "gray"}, tensor.F32Spec(1, 8, 8, 3)},
		{format.Preprocess{Layout: "hwcn"}, tensor.F32Spec(1, 8, 8, 3)},
		{format.Preprocess{Std: []float32{0}}, tensor.F32Spec(1, 8, 8, 3)},
		{format.Preprocess{Mean: []float32{1, 2}}, tensor.F32Spec(1, 8, 8, 3)},
	} {
		_, err := Fit(bad.p, bad.in)
		require.ErrorContains(t, err, "imageio")
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range encoded(f) {
		f.Add(b)
	}
	f.Add([]byte(webp))
	f.Add(withExif(f, encoded(f)["jpeg"], binary.BigEndian, 0x112, 3, 6))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width > 4096 || c.Height > 4096 {
			return // large ones are slow, not wrong
		}
		m, err := Decode(bytes.NewReader(b))
		if err != nil {
			return
		}
		require.Len(t, m.Pix, 3*m.W*m.H)
		_, err = m.Resize(8, 8, Antialias)
		require.NoError(t, err)
	})
}

// TestHalf: an input of halves takes what one of floats does, rounded.
func TestHalf(t *testing.T) {
	m := ramp(4, 3, false)
	p := format.Preprocess{Width: 4, Height: 3, Scale: 1.0 / 255, Mean: []float32{.4}, Order: "rgb", Layout: "nhwc"}
	f, h := tensor.New(tensor.F32Spec(1, 3, 4, 3)), tensor.New(tensor.Spec{DType: tensor.F16, Shape: tensor.Of(1, 3, 4, 3)})
	require.NoError(t, Into(f, 0, m, p))
	require.NoError(t, Into(h, 0, m, p))
	for i, v := range f.F32() {
		require.Equal(t, float16.Fromfloat32(v).Bits(), binary.LittleEndian.Uint16(h.Data[2*i:]))
	}
}
