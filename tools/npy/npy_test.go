package npy

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

func TestRoundTrip(t *testing.T) {
	for _, x := range []tensor.Tensor{
		tensor.FromF32([]float32{1, -2, 3.5, 4, 5, 6}, 2, 3),
		tensor.FromF32([]float32{7}),
		tensor.FromI64([]int64{1, 2, 3}, 3),
		tensor.FromI8([]int8{-1, 2}, 1, 2, 1),
		tensor.FromU8(nil, 0, 4),
	} {
		var b bytes.Buffer
		require.NoError(t, Write(&b, x))
		y, err := Read(&b)
		require.NoError(t, err)
		require.Equal(t, x.Spec, y.Spec)
		require.Equal(t, string(x.Data), string(y.Data))
	}
}

func TestRealFile(t *testing.T) {
	x, err := ReadFile(shared.Path(t, "models/real-onnx/resnet20/input.npy"))
	require.NoError(t, err)
	require.Equal(t, tensor.F32Spec(4, 3, 32, 32), x.Spec)
}

func TestBadFiles(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)))
	good := b.Bytes()
	for n := range good {
		_, err := Read(bytes.NewReader(good[:n]))
		require.ErrorIs(t, err, ErrFormat, "%d bytes", n)
	}
	for old, new := range map[string]string{"<f4": "<c8", "'<f4'": "'<f'  ", "(2, 2)": "(2,-2)", "NUMPY": "numpy", "'shape'": "'shapes"} {
		_, err := Read(bytes.NewReader(bytes.Replace(good, []byte(old), []byte(new), 1)))
		require.ErrorIs(t, err, ErrFormat, new)
	}
	huge := bytes.Replace(good, []byte("(2, 2)"), []byte("(9999999, 9999)"), 1)
	_, err := Read(bytes.NewReader(huge))
	require.ErrorIs(t, err, ErrFormat)
}

// TestKinds reads what NumPy writes of 2 x 3 in every type, both orders of bytes
// and both of axes.
func TestKinds(t *testing.T) {
	want := []float64{0, 1, 2, 100, 101, 102}
	for kind, d := range map[string]tensor.DType{
		"f4": tensor.F32, "f8": tensor.F32, "f2": tensor.F16, "i1": tensor.I8, "u1": tensor.U8, "i2": tensor.I32, "u2": tensor.I32,
		"i4": tensor.I32, "u4": tensor.I64, "i8": tensor.I64, "u8": tensor.I64,
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, fortran := range []bool{false, true} {
				var data []byte
				for i := range want {
					at := i
					if fortran {
						at = i/2 + i%2*3
					}
					v := want[at]
					switch kind {
					case "f4":
						data = order.AppendUint32(data, math.Float32bits(float32(v)))
					case "f8":
						data = order.AppendUint64(data, math.Float64bits(v))
					case "f2":
						data = order.AppendUint16(data, float16.Fromfloat32(float32(v)).Bits())
					case "i1", "u1":
						data = append(data, byte(v))
					case "i2", "u2":
						data = order.AppendUint16(data, uint16(v))
					case "i4", "u4":
						data = order.AppendUint32(data, uint32(v))
					default:
						data = order.AppendUint64(data, uint64(v))
					}
				}
				mark := map[bool]string{true: "<", false: ">"}[order == binary.AppendByteOrder(binary.LittleEndian)]
				say := map[bool]string{true: "True", false: "False"}[fortran]
				x, err := Read(bytes.NewReader(file("{'descr': '"+mark+kind+"', 'fortran_order': "+say+", 'shape': (2, 3), }\n", data)))
				require.NoError(t, err, kind)
				require.Equal(t, tensor.Spec{DType: d, Shape: tensor.Of(2, 3)}, x.Spec)
				for i, v := range want {
					var got float64
					switch d {
					case tensor.F32:
						got = float64(x.F32()[i])
					case tensor.F16:
						got = float64(float16.Frombits(x.Bits16()[i]).Float32())
					case tensor.I32:
						got = float64(x.I32()[i])
					case tensor.I64:
						got = float64(x.I64()[i])
					default:
						got = float64(x.Data[i])
					}
					require.Equal(t, v, got, "%s%s, Fortran %v, element %d", mark, kind, fortran, i)
				}
			}
		}
	}
	x, err := Read(bytes.NewReader(file("{'descr': '<i2', 'fortran_order': False, 'shape': (), }\n", []byte{0xfe, 0xff})))
	require.NoError(t, err)
	require.Equal(t, int32(-2), x.I32()[0])
	_, err = Read(bytes.NewReader(file("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }\n", bytes.Repeat([]byte{0xff}, 8))))
	require.ErrorContains(t, err, "does not fit")
}

// file is a .npy file of version 1.
func file(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(header)))
	return append(append(b, header...), data...)
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(file("{'descr': '>u2', 'fortran_order': True, 'shape': (2, 1, 2), }\n", []byte("12345678")))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var w bytes.Buffer
		if Write(&w, x) == nil {
			y, err := Read(&w)
			require.NoError(t, err)
			require.Equal(t, x.Spec, y.Spec)
		}
	})
}
