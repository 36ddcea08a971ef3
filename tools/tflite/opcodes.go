package tflite

// BuiltinOperator numbers of the schema, for the operators that are imported.
const (
	opAdd                        = 0
	opAveragePool2d              = 1
	opConcatenation              = 2
	opConv2d                     = 3
	opDepthwiseConv2d            = 4
	opDepthToSpace               = 5
	opDequantize                 = 6
	opFloor                      = 8
	opFullyConnected             = 9
	opL2Normalization            = 11
	opL2Pool2d                   = 12
	opLocalResponseNormalization = 13
	opLogistic                   = 14
	opMaxPool2d                  = 17
	opMul                        = 18
	opRelu                       = 19
	opReluN1To1                  = 20
	opRelu6                      = 21
	opReshape                    = 22
	opResizeBilinear             = 23
	opSoftmax                    = 25
	opSpaceToDepth               = 26
	opTanh                       = 28
	opCustom                     = 32
	opPad                        = 34
	opGather                     = 36
	opBatchToSpaceNd             = 37
	opSpaceToBatchNd             = 38
	opTranspose                  = 39
	opMean                       = 40
	opSub                        = 41
	opDiv                        = 42
	opSqueeze                    = 43
	opStridedSlice               = 45
	opExp                        = 47
	opTopKV2                     = 48
	opSplit                      = 49
	opLogSoftmax                 = 50
	opCast                       = 53
	opPrelu                      = 54
	opMaximum                    = 55
	opArgMax                     = 56
	opMinimum                    = 57
	opLess                       = 58
	opNeg                        = 59
	opPadv2                      = 60
	opGreater                    = 61
	opGreaterEqual               = 62
	opLessEqual                  = 63
	opSelect                     = 64
	opSlice                      = 65
	opSin                        = 66
	opTransposeConv              = 67
	opTile                       = 69
	opExpandDims                 = 70
	opEqual                      = 71
	opNotEqual                   = 72
	opLog                        = 73
	opSum                        = 74
	opSqrt                       = 75
	opRsqrt                      = 76
	opShape                      = 77
	opPow                        = 78
	opArgMin                     = 79
	opReduceProd                 = 81
	opReduceMax                  = 82
	opPack                       = 83
	opLogicalOr                  = 84
	opOneHot                     = 85
	opLogicalAnd                 = 86
	opLogicalNot                 = 87
	opUnpack                     = 88
	opReduceMin                  = 89
	opFloorDiv                   = 90
	opSquare                     = 92
	opFloorMod                   = 95
	opResizeNearestNeighbor      = 97
	opLeakyRelu                  = 98
	opSquaredDifference          = 99
	opMirrorPad                  = 100
	opAbs                        = 101
	opSplitV                     = 102
	opCeil                       = 104
	opReverseV2                  = 105
	opAddN                       = 106
	opGatherNd                   = 107
	opCos                        = 108
	opElu                        = 111
	opQuantize                   = 114
	opRound                      = 116
	opHardSwish                  = 117
	opSelectV2                   = 123
	opBatchMatmul                = 126
	opCumsum                     = 128
	opBroadcastTo                = 130
	opConv3d                     = 132
	opGelu                       = 150
	opRelu0To1                   = 152
)

// opNames are the schema's operators in order of their numbers, for messages.
var opNames = [...]string{
	"ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
	"EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
	"LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
	"RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
	"CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
	"UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
	"DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP",
	"TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM",
	"ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE",
	"SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT",
	"RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT",
	"LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE",
	"FILL", "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD",
	"ABS", "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU",
	"REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
	"NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
	"BATCH_MATMUL", "PLACEHOLDER", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D", "IMAG", "REAL",
	"COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL",
	"CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS",
	"RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE",
	"RELU_0_TO_1",
}
