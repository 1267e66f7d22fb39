import com.sun.source.util.JavacTask;
import java.nio.file.Path;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaFileObject;
import javax.tools.ToolProvider;

/** Parses a Java file without looking for the classes that it uses. */
public class ParseJava {
    public static void main(String[] arguments) throws Exception {
        var compiler = ToolProvider.getSystemJavaCompiler();
        var defects = new DiagnosticCollector<JavaFileObject>();
        try (var files = compiler.getStandardFileManager(defects, null, null)) {
            var sources = files.getJavaFileObjects(Path.of(arguments[0]));
            ((JavacTask) compiler.getTask(null, files, defects, null, null, sources)).parse();
        }
        defects.getDiagnostics().forEach(System.err::println);
        System.exit(defects.getDiagnostics().isEmpty() ? 0 : 1);
    }
}
