package zoo;

import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** The shop on Spring MVC: {@code java -javaagent:agent.jar -jar shop.jar PORT}. */
@SpringBootApplication
@RestController
public class Shop {
    private static final Map<String, String> TOKENS = Map.of("Bearer token-of-ann", "ann", "Bearer token-of-bob", "bob");

    public static void main(String[] arguments) {
        SpringApplication shop = new SpringApplication(Shop.class);
        shop.setDefaultProperties(Map.of("server.address", "127.0.0.1", "server.port", arguments[0]));
        shop.run();
    }

    @GetMapping("/health")
    Map<String, Object> health() {
        return Map.of("ok", true);
    }

    @GetMapping("/api/orders/{id}")
    Map<String, Object> order(@PathVariable("id") int id) {
        return Map.of("id", id, "total", id % 97);
    }

    @GetMapping("/api/users/{name}")
    Map<String, Object> user(@PathVariable("name") String name) {
        return Map.of("name", name);
    }

    @GetMapping("/api/search")
    Map<String, Object> search(@RequestParam("q") String q) {
        return Map.of("q", q, "found", List.of());
    }

    @PostMapping("/api/login")
    ResponseEntity<Map<String, Object>> login(@RequestBody Map<String, String> body) {
        String name = body.get("name");
        return ("of-" + name).equals(body.get("password"))
                ? ResponseEntity.ok(Map.of("token", "token-of-" + name))
                : ResponseEntity.status(401).body(Map.of("error", "wrong password"));
    }

    @GetMapping("/api/me")
    ResponseEntity<Map<String, Object>> me(@RequestHeader(name = "Authorization", defaultValue = "") String authorization) {
        String name = TOKENS.get(authorization);
        return name != null
                ? ResponseEntity.ok(Map.of("name", name))
                : ResponseEntity.status(401).body(Map.of("error", "log in first"));
    }
}
