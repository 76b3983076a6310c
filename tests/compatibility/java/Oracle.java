import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * What Apache Avro's Java library makes of data: one question a line on standard input, one answer a line on standard
 * output.
 *
 * A question is {"writer": TEXT, "reader": TEXT, "data": [HEX, ...]}, each datum written with the writer's schema. The
 * answer is {"schemas": null or an error, "compatible": whether SchemaCompatibility says so, "data": [{"written":
 * value, "again": HEX as this library writes it, "read": value or absent, "error": why it could not be read}]}.
 *
 * Values are shown so that two libraries can be compared: {"n": integer}, {"f": floating point}, {"s": text}, {"b": hex},
 * {"e": symbol}, {"r": {field: value}}, {"m": {key: value}}, lists, null and booleans; what has a logical type is
 * {"l": its name, "v": value}. A union is its value.
 */
public final class Oracle {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(answer(JSON.readTree(line)));
            out.flush();
        }
    }

    private static ObjectNode answer(JsonNode question) {
        ObjectNode answer = NODES.objectNode();
        Schema writer;
        Schema reader;
        try {
            writer = new Schema.Parser().parse(question.get("writer").textValue());
            reader = new Schema.Parser().parse(question.get("reader").textValue());
        } catch (RuntimeException error) {
            return answer.put("schemas", error.toString());
        }
        answer.putNull("schemas");
        try {
            answer.put("compatible", SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getType()
                    == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE);
        } catch (RuntimeException | StackOverflowError error) {
            answer.put("compatible", false);
        }
        ArrayNode data = answer.putArray("data");
        for (JsonNode hex : question.get("data")) {
            data.add(read(writer, reader, HexFormat.of().parseHex(hex.textValue())));
        }
        return answer;
    }

    private static ObjectNode read(Schema writer, Schema reader, byte[] datum) {
        ObjectNode answer = NODES.objectNode();
        try {
            Object written = decode(writer, writer, datum);
            answer.set("written", shown(writer, written));
            answer.put("again", HexFormat.of().formatHex(encode(writer, written)));
        } catch (Exception | StackOverflowError error) {
            return answer.put("broken", error.toString());
        }
        try {
            answer.set("read", shown(reader, decode(writer, reader, datum)));
        } catch (Exception | StackOverflowError error) {
            answer.put("error", error.toString());
        }
        return answer;
    }

    private static Object decode(Schema writer, Schema reader, byte[] datum) throws Exception {
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(datum, null);
        Object value = new GenericDatumReader<Object>(writer, reader).read(null, decoder);
        if (!decoder.isEnd()) {
            throw new IllegalStateException("bytes are left");
        }
        return value;
    }

    private static byte[] encode(Schema schema, Object value) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<Object>(schema).write(value, encoder);
        encoder.flush();
        return bytes.toByteArray();
    }

    // === values ===

    private static JsonNode shown(Schema schema, Object value) {
        JsonNode plain = plain(schema, value);
        if (schema.getType() == Schema.Type.UNION || schema.getLogicalType() == null) {
            return plain;
        }
        ObjectNode logical = NODES.objectNode();
        logical.put("l", nameOf(schema));
        logical.set("v", plain);
        return logical;
    }

    private static String nameOf(Schema schema) {
        if (schema.getLogicalType() instanceof LogicalTypes.Decimal decimal) {
            return "decimal(" + decimal.getPrecision() + "," + decimal.getScale() + ")";
        }
        return schema.getLogicalType().getName();
    }

    private static JsonNode plain(Schema schema, Object value) {
        switch (schema.getType()) {
            case NULL:
                return NODES.nullNode();
            case BOOLEAN:
                return NODES.booleanNode((Boolean) value);
            case INT:
            case LONG:
                return tagged("n", NODES.textNode(value.toString()));
            case FLOAT:
            case DOUBLE:
                // All bits, so that no two libraries have to print alike.
                return tagged("f", NODES.textNode(
                        String.format("%016x", Double.doubleToLongBits(((Number) value).doubleValue()))));
            case STRING:
                return tagged("s", NODES.textNode(value.toString()));
            case BYTES:
                ByteBuffer buffer = ((ByteBuffer) value).duplicate();
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                return tagged("b", NODES.textNode(HexFormat.of().formatHex(bytes)));
            case FIXED:
                byte[] fixed = ((GenericData.Fixed) value).bytes();
                return tagged("b", NODES.textNode(HexFormat.of().formatHex(fixed)));
            case ENUM:
                return tagged("e", NODES.textNode(value.toString()));
            case ARRAY:
                ArrayNode items = NODES.arrayNode();
                for (Object item : (Iterable<?>) value) {
                    items.add(shown(schema.getElementType(), item));
                }
                return items;
            case MAP:
                TreeMap<String, JsonNode> entries = new TreeMap<>();
                for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                    entries.put(entry.getKey().toString(), shown(schema.getValueType(), entry.getValue()));
                }
                ObjectNode map = NODES.objectNode();
                entries.forEach(map::set);
                return tagged("m", map);
            case RECORD:
                ObjectNode fields = NODES.objectNode();
                for (Schema.Field field : schema.getFields()) {
                    fields.set(field.name(), shown(field.schema(), ((GenericData.Record) value).get(field.pos())));
                }
                return tagged("r", fields);
            default:
                return shown(schema.getTypes().get(GenericData.get().resolveUnion(schema, value)), value);
        }
    }

    private static ObjectNode tagged(String tag, JsonNode value) {
        ObjectNode tagged = NODES.objectNode();
        tagged.set(tag, value);
        return tagged;
    }
}
